//! How nodes and clients talk: length-prefixed frames over TCP, many requests at once on one connection.
//!
//! ```text
//! frame    u32 length (big endian), then one message in postcard's encoding
//! client → Hello · (Call | Cancel | Ping)*          server → Welcome or Refused · (Reply | Item | End | Pong)*
//! ```
//!
//! The first message of a connection says who speaks to whom in which group; everything after it is bound to
//! that. Frames that are ready at the same moment leave in one write, which is what makes a thousand small
//! requests cheap; a gRPC stack costs several times as much per request and would need `protoc`.

mod channel;
mod frame;
mod group;
mod link;
mod peers;
mod server;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use channel::CallError;
pub(crate) use group::{Group, GroupError, Local};
pub(crate) use peers::Peers;
pub(crate) use server::{Answer, Handler, ItemStream, serve};
pub(crate) use wire::{
    Failure, Hello, Item, Refused, Request, Response, Sender, SnapshotPart, Status, Transfer,
};
