//! [`RaftMember`]: a member of the group without a coordinator.

use election_core::Result;
use tokio::sync::watch;

use crate::config::{RaftConfig, invalid};
use crate::error::NodeError;
use crate::node::Node;

/// A member of the group that campaigns for nothing: it only votes, stores and answers.
///
/// A process that also campaigns uses [`RaftCoordinator`](crate::RaftCoordinator), which embeds one. Dropping
/// it leaves it running until the runtime ends; use [`shutdown`](Self::shutdown).
pub struct RaftMember {
    node: Node,
    failure: watch::Receiver<Option<NodeError>>,
}

impl RaftMember {
    /// Starts the member that [`RaftConfig::node`] describes. It is not waited for the others.
    ///
    /// # Errors
    /// As [`RaftCoordinator::connect`](crate::RaftCoordinator::connect) in a member.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the member running.
    pub async fn start(config: &RaftConfig) -> Result<Self> {
        config.validate()?;
        let Some(own) = &config.node else {
            return invalid("node is missing: give the place in the list of the member to start".into());
        };
        let node = Node::start(config, own, &config.security()?).await?;
        let failure = node.failure();
        Ok(Self { node, failure })
    }

    /// The id of the Raft leader, as far as this member knows.
    #[must_use]
    pub fn leader(&self) -> Option<u64> {
        self.node.leader()
    }

    /// Waits until a Raft leader is known: the group is formed and has a majority.
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub async fn ready(&self) -> u64 {
        self.node.ready().await
    }

    /// Waits until the member has stopped by itself, and says why.
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub async fn failed(&self) -> election_core::Error {
        let mut failure = self.failure.clone();
        let found = failure.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        found.unwrap_or_else(|| NodeError::stopped("it was shut down")).into()
    }

    /// Hands the Raft leadership over, if the member has it, and stops.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the member running.
    pub async fn shutdown(self) {
        self.node.shutdown().await;
    }
}

impl std::fmt::Debug for RaftMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftMember").field("leader", &self.leader()).finish()
    }
}
