//! Real servers, faults and outside views for the tests of this workspace; never published.
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`etcd`], [`zk`], [`raft`] | real servers, one or three of them, on free loopback ports or each on a host of its own, in temporary folders |
//! | [`net`] | a network of hosts, each a namespace of its own, and what may happen to packets between them |
//! | [`ground`] | three servers and workers of ours, each on a host of its own |
//! | [`nemesis`] | the faults that a ground has to bear |
//! | [`chaos`] | the runner that lets them loose by a seed, and has the histories checked |
//! | [`proxy`] | a TCP proxy that loses, refuses or delays what passes through it |
//! | [`interop`] | other people's candidates: `etcdctl elect` and Curator's `LeaderLatch` |
//! | [`checker`] | whether what they recorded is what the contract allows, with counts and margins |
//! | [`contender`] | a worker process of ours that contends or observes and records what it does and sees |
//! | [`history`] | what such processes record, on one true clock |
//! | [`need`] | what a test needs from the machine: missing, it fails under CI and is skipped on a laptop |
//! | [`tls`], [`raft_tls`] | certificate authorities for one test: of servers, and of a Raft group |
//!
//! Whatever a test starts ends with the test process, also when that is killed: see [`process`].
//! A server's log stays in a file, and is printed when the test that owns the server panics.
//!
//! ```no_run
//! # async fn demo() -> anyhow::Result<()> {
//! use testkit::{etcd::Etcd, need, need::Tool, proxy::Proxy};
//!
//! if !need::has(Tool::Etcd) {
//!     return Ok(());
//! }
//! let etcd = Etcd::three().await?;
//! let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
//! proxy.sever();
//! etcd.pause(1)?;
//! etcd.resume(1)?;
//! etcd.kill(2)?;
//! etcd.restart(2).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

#[cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]
pub mod chaos;
pub mod checker;
pub mod contender;
pub mod etcd;
#[cfg(any(feature = "etcd", feature = "zk", feature = "raft"))]
pub mod fixture;
#[cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]
pub mod ground;
pub mod history;
pub mod interop;
mod lease;
pub mod misuse;
pub mod need;
#[cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]
pub mod nemesis;
pub mod net;
mod node;
mod poll;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod raft;
pub mod raft_tls;
mod record;
mod servers;
mod site;
pub mod tls;
mod work_dir;
pub mod zk;

pub use node::{Launch, Node};
pub use poll::{READY_WITHIN, until};
pub use record::Record;
pub use servers::Servers;
pub use site::Site;
pub use work_dir::WorkDir;
