//! Why a node does not talk to somebody, or does not do what it is asked for.

use serde::{Deserialize, Serialize};

use super::wire::VERSION;
use crate::types::NodeId;

/// Why a connection was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refused {
    /// Another version of the protocol.
    #[error("the node speaks version {theirs} of the protocol, this process version {VERSION}: upgrade one")]
    Version {
        /// The listener's version.
        theirs: u16,
    },
    /// Another group.
    #[error("the node belongs to cluster {theirs:?}, not {ours:?}: correct the address or the cluster name")]
    Cluster {
        /// The listener's group.
        theirs: String,
        /// The speaker's.
        ours: String,
    },
    /// Another node of the group.
    #[error(
        "the node at this address is node {theirs}, not {ours}: every process must list the members in the \
         same order, or write their ids, as in {theirs}@host:port"
    )]
    Node {
        /// The listener's id.
        theirs: NodeId,
        /// Who was meant.
        ours: NodeId,
    },
    /// A member's id in a second data directory.
    #[error(
        "node {id} was seen before with another data directory: either two processes run as node {id}, or \
         its disk was lost. A node that lost its disk may have forgotten a vote and must join under a new id"
    )]
    Incarnation {
        /// The speaker's id.
        id: NodeId,
    },
    /// An id whose member was removed.
    #[error(
        "node {id} was removed from the group, and no id is ever used twice: to come back it must join as node \
         {free}, with an empty data directory"
    )]
    Removed {
        /// The speaker's id.
        id: NodeId,
        /// An id that was never used.
        free: NodeId,
    },
    /// The node is going down or cannot read its disk.
    #[error("the node cannot accept connections: {why}")]
    Unable {
        /// Why.
        why: String,
    },
    /// A greeting without encryption, and the node wants it.
    #[error("the node accepts TLS only: give rafts://…?ca=FILE&cert=FILE&key=FILE")]
    Plaintext,
    /// The certificate is not for whom the speaker says it is.
    #[error(
        "the certificate shown to the node is for {shown}, and this process speaks as {claimed}: give it its own \
         certificate"
    )]
    Identity {
        /// The name in the certificate.
        shown: String,
        /// The name that would be right.
        claimed: String,
    },
    /// A limit on connections.
    #[error("the node takes no more connections now: {what}; close some, or try again later")]
    Full {
        /// Which limit.
        what: String,
    },
}

impl Refused {
    /// Whether it does not go away by itself.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Version { .. }
            | Self::Cluster { .. }
            | Self::Node { .. }
            | Self::Incarnation { .. }
            | Self::Removed { .. } => true,
            // Certificates are replaced while a process runs; the transport of a group, member by member.
            Self::Unable { .. } | Self::Plaintext | Self::Identity { .. } | Self::Full { .. } => false,
        }
    }
}

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Failure {
    /// The node is not the Raft leader, or not yet ready to serve as one.
    #[error("node is not the Raft leader")]
    NotLeader {
        /// Who is, as far as it knows.
        leader: Option<NodeId>,
    },
    /// The Raft leader could not reach a quorum.
    #[error("the Raft leader reaches no quorum")]
    NoQuorum,
    /// Whether the write took effect is not known; asking again is safe.
    #[error("the Raft leader changed while the write was under way")]
    Unknown,
    /// A node that has just started does not vote yet.
    #[error("the node has restarted and does not vote before one election timeout has passed")]
    Embargo,
    /// The request is not for this sender, or out of bounds.
    #[error("the node refuses the request: {why}")]
    Forbidden {
        /// Why.
        why: String,
    },
    /// The node has stopped.
    #[error("the node has stopped: {why}")]
    Stopped {
        /// Why.
        why: String,
    },
    /// A limit was hit; nothing changed.
    #[error("the node has its hands full: {what}")]
    Full {
        /// Which limit, and what to do.
        what: String,
    },
    /// The members cannot be changed so at the moment; nothing changed.
    #[error("the members cannot be changed so now: {why}")]
    NotNow {
        /// Why, and what to do.
        why: String,
    },
    /// The members cannot be changed so.
    #[error("the members cannot be changed so: {why}")]
    Never {
        /// Why, and what to do.
        why: String,
    },
    /// The speaker is a member no longer.
    #[error(transparent)]
    Removed(Refused),
}
