//! How nodes and clients talk: length-prefixed frames over TCP, many requests at once on one connection.
//!
//! ```text
//! frame    u32 length (big endian), then one message in postcard's encoding
//! client → Hello · (Call | Cancel | Ping)*          server → Welcome or Refused · (Reply | Item | End | Pong)*
//! ```
//!
//! The first message of a connection says who speaks to whom in which group; everything after it is bound to
//! that. With [`tls`] the speaker's certificate must say the same, and the listener's too. What one caller can
//! take is bounded ([`limits`]), so that it takes nothing from the others. Frames that are ready at the same moment leave in one write, which is what makes a thousand small
//! requests cheap; a gRPC stack costs several times as much per request and would need `protoc`.

mod budget;
mod caller;
mod channel;
#[cfg(test)]
mod crowded;
mod door;
mod frame;
mod greeting;
mod group;
mod key;
pub(crate) mod limits;
mod link;
mod listener;
mod merged;
mod outbox;
mod peers;
mod refusal;
mod roster;
mod server;
mod tls;
mod wire;

#[cfg(test)]
pub(crate) mod mangle;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use caller::{Caller, Origin};
pub(crate) use channel::CallError;
pub(crate) use door::Door;
pub(crate) use group::{Group, GroupError, Local};
pub(crate) use key::SessionKey;
pub(crate) use link::{Link, Recognise};
pub(crate) use listener::Listener;
pub(crate) use peers::{Peers, Reach};
pub(crate) use refusal::{Failure, Refused};
pub(crate) use server::{Answer, Entrance, Handler, ItemStream, serve};
pub(crate) use tls::{Credentials, Identity, Security, TlsError};
pub(crate) use wire::{Change, Hello, Item, Request, Response, Sender, SnapshotPart, Status, Transfer};
