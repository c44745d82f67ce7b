//! Leader election on ZooKeeper: the backend of `election` for `zk://`.
//!
//! | our word | ZooKeeper's |
//! | --- | --- |
//! | coordinator | a client with one session, and another one after its end |
//! | session | a session; its proof is a committed write to `<root>/.sessions/<session id>` |
//! | election | the znode `<root>/<election>` |
//! | candidate | an ephemeral sequential znode `_c_<guid>-<id>-latch-<sequence>` below it, its data the value |
//! | queue | the children in the order of their sequence; each watches the one ahead |
//! | leadership | the first child, as long as the session is proven |
//! | fencing token | the child's `czxid` (the sequence starts anew when the election's znode is re-created) |
//! | resign | deleting one's own child |
//! | observe | one persistent recursive watch on the election's znode, for all observers of the process |
//!
//! The layout is that of Apache Curator's `LeaderLatch`: its latches and our candidates contend in one election,
//! and the value is what Curator shows as the participant's id.
//!
//! ```no_run
//! # async fn demo() -> election_core::Result<()> {
//! use election_core::{Candidate, Coordinator};
//!
//! let coordinator = backend_zk::connect("zk://h1:2181,h2:2181,h3:2181?timeout=6s").await?;
//! let elector = coordinator.elector("billing")?;
//! let leadership = elector.campaign(Candidate::new("worker-1")?).await?;
//! leadership.check()?;
//! leadership.resign().await?;
//! # Ok(())
//! # }
//! ```
//!
#![doc = include_str!("proof.md")]

mod candidacy;
mod config;
mod coordinator;
mod elector;
mod entry;
mod error;
mod feed;
mod fence;
mod held;
#[cfg(feature = "hot")]
#[doc(hidden)]
pub mod hot;
mod lookout;
mod observe;
mod owner;
mod record;
mod session;
mod source;
mod url;

use std::sync::Arc;

use election_core::Result;

pub use config::{Config, Credentials};
pub use coordinator::ZkCoordinator;
pub use fence::FencedRecord;
pub use source::Clients;

/// Connects to the servers of a URL: see [`Config`] for its parts.
///
/// # Errors
/// As [`Config::parse`] and [`ZkCoordinator::connect`].
///
/// # Cancel safety
/// Cancel safe: a session that was being opened expires with its timeout.
pub async fn connect(url: &str) -> Result<Arc<ZkCoordinator>> {
    ZkCoordinator::connect(Config::parse(url)?).await
}

/// Coordinates over a client configured by the caller: see [`ZkCoordinator::from_client`].
///
/// # Errors
/// As [`ZkCoordinator::from_client`].
///
/// # Cancel safety
/// Cancel safe.
pub async fn from_client(client: zookeeper_client::Client, config: Config) -> Result<Arc<ZkCoordinator>> {
    ZkCoordinator::from_client(client, config).await
}
