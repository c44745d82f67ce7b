//! The proving ground: three servers, each on a host of its own, and workers of ours on hosts beside them.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Backend`] | which service |
//! | [`Ground`] | all of it: the network, the servers, the workers, and the folder of their histories |
//! | [`Worker`] | one process of ours (`testkit-contender`) on its host, with a clock that may be false |
//! | [`Links`] | the proxies that the way of every other worker to the servers leads through |
//! | [`Seat`] | who leads at present, by the service's own account |
//!
//! On a ground of Raft, the three servers can be workers as well: members of the group that contend themselves.
//!
//! A [`Nemesis`](crate::nemesis::Nemesis) does its work on a ground. All of it ends with this process, however that
//! ends.

mod backend;
mod claims;
mod launch;
mod links;
mod settings;
mod sockets;
mod stage;
mod worker;

pub use backend::Backend;
pub(crate) use launch::SUSPEND_LIBRARY;
pub use links::Links;
pub use settings::{Programs, Settings};
pub use stage::{Ground, Seat};
pub use worker::{Clock, Worker};
