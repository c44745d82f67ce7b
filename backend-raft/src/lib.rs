//! Leader election on an embedded Raft group: no server to run, the group lives in the application's own
//! processes.
//!
//! | our word | the service's word |
//! | --- | --- |
//! | coordination service | a group of 1 to 9 members, each a Raft node in some process |
//! | session | an entry in the replicated state machine, renewed through the Raft leader |
//! | election | a queue in the replicated state machine, in order of log index |
//! | leader (of an election) | the first in that queue. Not the Raft leader: any process may be it |
//! | fencing token | log index of the entry that made the grant |
//! | proof of a renewal | the Raft leader confirmed itself by a quorum round begun after the renewal arrived |
//! | root | the group itself: its `cluster` name |
//!
//! ```no_run
//! # async fn doc() -> election_core::Result<()> {
//! use election_core::{Candidate, Coordinator};
//!
//! // The same on every member, but for `node`, `data` and the certificate. Without the first two: a client.
//! let url = "rafts://h1:7001,h2:7001,h3:7001?node=1&data=/var/lib/billing\
//!            &ca=/etc/billing/ca.pem&cert=/etc/billing/node-1.pem&key=/etc/billing/node-1.key";
//! let coordinator = backend_raft::connect(url).await?;
//! let elector = coordinator.elector("billing")?;
//! let leadership = elector.campaign(Candidate::new("worker-1")?).await?;
//! println!("leading under token {}", leadership.token());
//! # Ok(()) }
//! ```

mod admin;
mod backup;
mod blocking;
mod candidacy;
mod config;
mod elector;
mod error;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod mangled;
mod member;
mod membership;
mod metering;
mod network;
mod node;
mod observe;
mod registry;
mod renewal;
mod runtime;
#[cfg(test)]
mod samples;
mod session;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod sim;
mod state_machine;
mod status;
mod store;
mod timing;
mod transport;
mod types;
mod url;

pub use admin::{Place, RaftAdmin};
pub use backup::Backup;
pub use config::{Join, NodeConfig, Profile, RaftConfig, RaftTiming};
pub use elector::RaftCoordinator;
pub use member::RaftMember;
pub use metering::serve_metrics;
#[cfg(feature = "hot")]
#[doc(hidden)]
pub use state_machine::hot;
pub use status::{ElectionStatus, GroupStatus, MemberStatus, Progress, Role};
pub use transport::{TlsFiles, Transport};

/// Joins or contacts the group of a URL: see [`RaftConfig::from_url`] for its parts.
///
/// # Errors
/// As [`RaftConfig::from_url`] and [`RaftCoordinator::connect`].
///
/// # Cancel safety
/// Dropping the future stops what was started.
pub async fn connect(url: &str) -> election_core::Result<std::sync::Arc<RaftCoordinator>> {
    Ok(std::sync::Arc::new(RaftCoordinator::connect(RaftConfig::from_url(url)?).await?))
}
