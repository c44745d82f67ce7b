//! Leader election on etcd: KV, leases and watches; never the server's own `Campaign`.
//!
//! | our word | etcd's |
//! | --- | --- |
//! | election | the prefix `<root>/<election>/` |
//! | candidacy | a key under it, `<lease in hex>-<nonce>-<candidate id>`, with the candidate's value |
//! | session | a lease (from one renewal to the next possibly another one) that the keys hang on |
//! | leader | the key with the smallest create revision |
//! | fencing token | that create revision |
//! | a proven renewal | [`Renewal`]: a swap of leases, or a keep-alive and a commit in the same Raft term |
//! | resign | a transaction: delete the key if its create revision is the token |
//! | wait | a watch on the key right ahead, then one look |
//! | observe | a watch on the prefix, one per election and process |
//!
//! Keys are laid out as Go's `concurrency.Election` and `etcdctl elect` do it: their candidates and ours contend
//! in one election, `etcdctl elect /election/billing` with `elector("billing")`.
//!
//! What etcd's own recipe gets wrong, and this one does not: candidates that nobody holds after a failed call
//! (etcd #19597, #11456), winners without a record (#21128, #22123), and leaders that trust the keep-alives of a
//! server that no longer leads (#15247, #12528).
//!
//! ```no_run
//! # async fn demo() -> election_core::Result<()> {
//! use election_core::{Candidate, Coordinator};
//!
//! let coordinator = backend_etcd::connect("etcd://h1:2379,h2:2379,h3:2379?ttl=5s").await?;
//! let leadership = coordinator.elector("billing")?.campaign(Candidate::new("worker-1")?).await?;
//! println!("leading with token {}", leadership.token());
//! leadership.resign().await
//! # }
//! ```

#![forbid(unsafe_code)]

mod address;
mod candidacy;
mod config;
mod contenders;
mod elector;
mod error;
mod feed;
mod fence;
#[cfg(feature = "hot")]
#[doc(hidden)]
pub mod hot;
mod keeper;
mod keys;
#[cfg(test)]
mod misuse;
mod names;
mod observe;
mod proof;
mod record;
mod removal;
mod requests;
mod servers;
mod session;
mod shared;
mod waiting;
mod watch;

use std::sync::Arc;

pub use config::{Config, Renewal};
pub use elector::EtcdCoordinator;
pub use etcd_client;

/// The name of this backend in errors and logs.
pub(crate) const BACKEND: &str = "etcd";

/// Connects to the cluster that a URL names.
///
/// `etcd://[user:password@]host[:2379][,host…][?parameters]`, or `etcds://` for TLS. Special characters in the
/// user, the password and the parameters are percent-encoded.
///
/// | parameter | default | meaning |
/// | --- | --- | --- |
/// | `root` | `/election` | [`Config::root`] |
/// | `ttl` | `5s` | [`Config::ttl`]; with a unit, as all durations: `500ms`, `5s`, `1m` |
/// | `drift` | `0.01` | [`Config::drift`] |
/// | `margin` | a hundredth of the TTL | [`Config::margin`] |
/// | `timeout` | `3s` | [`Config::timeout`] |
/// | `ca` | needed with `etcds://` | PEM file of the authority that signed the servers' certificates |
/// | `cert`, `key` | none | PEM files of the client's certificate and key |
/// | `domain` | the host | the name that the servers' certificates must have |
///
/// # Errors
/// [`Kind::InvalidConfig`](election_core::Kind::InvalidConfig) naming the part that is wrong; `Unavailable` or
/// `Timeout`, naming the servers, if none can be reached within `timeout`; `PermissionDenied` if the password or
/// the certificate is refused. No message holds the password.
///
/// # Cancel safety
/// Cancel safe: a session that was being opened expires with its TTL.
pub async fn connect(url: &str) -> election_core::Result<Arc<EtcdCoordinator>> {
    let address = address::Address::parse(url)?;
    let servers = servers::Servers::at(&address).await?;
    EtcdCoordinator::start(servers, address.config).await
}
