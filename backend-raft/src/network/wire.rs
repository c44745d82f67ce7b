//! The messages.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::state_machine::{Command, Outcome, Place, SessionEvent, SessionId, View};
use crate::store::Incarnation;
use crate::types::{LogId, NodeId, SnapshotMeta, TypeConfig, Vote};

/// What every connection begins with, so that a stray client of another protocol is told apart at once.
pub(crate) const MAGIC: u32 = 0x454c_5246;
/// The version of this protocol. Raise it with every change that an older version cannot read.
pub(crate) const VERSION: u16 = 1;

/// Who opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sender {
    /// A member of the group.
    Member {
        /// Its id.
        id: NodeId,
        /// This life of its data directory.
        incarnation: Incarnation,
    },
    /// A process that campaigns or observes.
    Client,
}

/// The first message of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// [`MAGIC`].
    pub(crate) magic: u32,
    /// [`VERSION`].
    pub(crate) version: u16,
    /// The group's name.
    pub(crate) cluster: String,
    /// Who speaks.
    pub(crate) sender: Sender,
    /// Who is meant to listen.
    pub(crate) target: NodeId,
}

impl Hello {
    /// A greeting in this version of the protocol.
    pub(crate) fn new(cluster: &str, sender: Sender, target: NodeId) -> Self {
        Self { magic: MAGIC, version: VERSION, cluster: cluster.into(), sender, target }
    }
}

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
         same order"
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
    /// An id that is not in the list of members.
    #[error("node {id} is not a member of the group")]
    Stranger {
        /// The speaker's id.
        id: NodeId,
    },
    /// The node is going down or cannot read its disk.
    #[error("the node cannot accept connections: {why}")]
    Unable {
        /// Why.
        why: String,
    },
}

/// The answer to [`Hello`].
pub(crate) type Greeting = Result<(), Refused>;

/// A part of a snapshot. Parts arrive in order; the last one is answered when the snapshot is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotPart {
    /// The Raft leader's vote.
    pub(crate) vote: Vote,
    /// What it contains.
    pub(crate) meta: SnapshotMeta,
    /// Where in the snapshot these bytes belong.
    pub(crate) offset: u64,
    /// The bytes.
    pub(crate) bytes: bytes::Bytes,
    /// Whether they are the last ones.
    pub(crate) last: bool,
}

/// A request to hand over the Raft leadership (openraft's own type has no encoding).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    /// The present leader's vote.
    pub(crate) from: Vote,
    /// Who shall lead.
    pub(crate) to: NodeId,
    /// What it must have on disk first.
    pub(crate) last: Option<LogId>,
}

/// What may be asked of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Raft, members only.
    Append(AppendEntriesRequest<TypeConfig>),
    /// Raft, members only.
    Vote(VoteRequest<TypeConfig>),
    /// Raft, members only.
    PreVote(VoteRequest<TypeConfig>),
    /// Raft, members only.
    Snapshot(SnapshotPart),
    /// Raft, members only.
    Transfer(Transfer),
    /// Writes to the log; answered when it is applied.
    Write(Command),
    /// Renews a session; answered when a quorum has confirmed the leader after the request arrived.
    Renew {
        /// The session.
        session: SessionId,
    },
    /// The present state of an election, confirmed by a quorum.
    Read {
        /// The election.
        election: String,
    },
    /// The queue of an election, confirmed by a quorum.
    Queue {
        /// The election.
        election: String,
    },
    /// A stream of what happens to a session.
    WatchSession {
        /// The session.
        session: SessionId,
    },
    /// A stream of the states of an election; the first is confirmed by a quorum.
    Observe {
        /// The election.
        election: String,
    },
    /// How the node is.
    Status,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Whether the group has been formed, as far as this node knows.
    pub(crate) formed: bool,
    /// The Raft leader, as far as this node knows.
    pub(crate) leader: Option<NodeId>,
    /// The index of the last entry applied.
    pub(crate) applied: u64,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Response {
    /// To `Append`.
    Append(AppendEntriesResponse<TypeConfig>),
    /// To `Vote` and `PreVote`.
    Vote(VoteResponse<TypeConfig>),
    /// To the last part of a snapshot: the node's vote.
    Snapshot(Vote),
    /// To `Transfer`.
    Transfer(TransferLeaderResponse<TypeConfig>),
    /// To every part of a snapshot but the last, and to what opens a stream.
    Done,
    /// To `Write`: what it came to, at which log index.
    Written {
        /// The log index.
        index: u64,
        /// What it came to.
        outcome: Outcome,
    },
    /// To `Renew`: false if the session is gone, or about to go.
    Renewed(bool),
    /// To `Read`.
    View(View),
    /// To `Queue`.
    Queue(Vec<Place>),
    /// To `Status`.
    Status(Status),
}

/// One item of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// Of `WatchSession`.
    Session(SessionEvent),
    /// Of `Observe`.
    View(View),
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
}

/// From whoever opened the connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Up {
    /// A request.
    Call {
        /// Names the answer. Counted up by the caller.
        id: u64,
        /// What is asked.
        request: Request,
    },
    /// No more items of this stream.
    Cancel {
        /// The request that opened it.
        id: u64,
    },
    /// Shows that the connection lives.
    Ping,
}

/// From the listener.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Down {
    /// The answer to a request.
    Reply {
        /// The request.
        id: u64,
        /// The answer.
        result: Result<Response, Failure>,
    },
    /// An item of a stream.
    Item {
        /// The request.
        id: u64,
        /// The item.
        item: Item,
    },
    /// The end of a stream.
    End {
        /// The request.
        id: u64,
    },
    /// The answer to `Ping`.
    Pong,
}
