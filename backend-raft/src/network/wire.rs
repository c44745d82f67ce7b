//! The messages.
//!
//! Whatever else changes from version to version: [`Hello`] begins with [`MAGIC`] and [`VERSION`], and
//! [`Refused::Version`] is the first of its kind. So every version can tell every other one that they differ.

use std::collections::BTreeMap;

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use super::key::SessionKey;
use super::refusal::{Failure, Refused};
use crate::state_machine::{Command, Contest, Member, Outcome, Place, SessionEvent, SessionId, View};
use crate::store::Incarnation;
use crate::types::{LogId, NodeId, SnapshotMeta, TypeConfig, Vote};

/// What every connection begins with, so that a stray client of another protocol is told apart at once.
pub(crate) const MAGIC: u32 = 0x454c_5246;
/// The version of this protocol. Raise it with every change that an older version cannot read.
pub(crate) const VERSION: u16 = 3;

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

/// What a node says of itself when it lets somebody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// The life of its data directory: a member does not ask a node for its vote that has lost its disk.
    pub(crate) incarnation: Incarnation,
}

/// The answer to [`Hello`].
pub(crate) type Greeting = Result<Welcome, Refused>;

/// A change of the members. Asked for twice it does no harm: what is the case already is answered as done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// Adds a node, which must be up and waiting to join.
    Add {
        /// Its id.
        node: NodeId,
        /// `host:port`.
        address: String,
        /// Whose place it takes.
        replaces: Option<NodeId>,
        /// The life of its data directory, if it asks itself.
        incarnation: Option<Incarnation>,
    },
    /// Removes a member.
    Remove {
        /// Its id.
        node: NodeId,
        /// Also if those that stay have no majority up.
        force: bool,
    },
}

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
    /// Opens a session; answered when that is applied. Repeated with the same key it answers with the session
    /// that exists.
    Open {
        /// Drawn at random by the client, and known to nobody else.
        key: SessionKey,
        /// How long the session lives without a proven renewal, in milliseconds.
        ttl_ms: u64,
    },
    /// Writes something about a session to the log; answered when it is applied.
    Write {
        /// The session's key.
        key: SessionKey,
        /// What to write.
        command: Command,
    },
    /// Writes to the log what only an administrator may.
    Administer(Command),
    /// Renews a session; answered when a quorum has confirmed the leader after the request arrived.
    Renew {
        /// The session.
        session: SessionId,
        /// Its key.
        key: SessionKey,
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
        /// Its key.
        key: SessionKey,
    },
    /// A stream of the states of an election; the first is confirmed by a quorum.
    Observe {
        /// The election.
        election: String,
    },
    /// How the node is.
    Status,
    /// A stream of the parts of a backup, confirmed by a quorum. Administrators only.
    Backup,
    /// Changes the members; answered when that is done.
    Change(Change),
    /// A stream of who the members are; the first are those of now.
    WatchMembers,
    /// Elections by name, those after this one.
    Contests {
        /// The last one that is known already; nothing at first.
        after: String,
    },
}

/// How a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Whether the group has been formed, as far as this node knows.
    pub(crate) formed: bool,
    /// Whether the node has neither voted nor logged anything.
    pub(crate) pristine: bool,
    /// Whether it was started to join a group and not to form one.
    pub(crate) joins: bool,
    /// The life of its data directory.
    pub(crate) incarnation: Incarnation,
    /// The list that it was started with.
    pub(crate) list: BTreeMap<NodeId, String>,
    /// The members, as far as this node knows.
    pub(crate) members: Vec<Member>,
    /// The ids that were ever used.
    pub(crate) used: Vec<NodeId>,
    /// The Raft leader, as far as this node knows.
    pub(crate) leader: Option<NodeId>,
    /// Raft's term.
    pub(crate) term: u64,
    /// The index of the last entry in its log.
    pub(crate) last: u64,
    /// The index of the last entry that it knows to be committed.
    pub(crate) committed: u64,
    /// The index of the last entry applied.
    pub(crate) applied: u64,
    /// How many sessions there are.
    pub(crate) sessions: u64,
    /// How many elections there are.
    pub(crate) elections: u64,
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
    /// To `Change`: the members now.
    Members(Vec<Member>),
    /// To `Contests`.
    Contests(Vec<Contest>),
}

/// One item of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// Of `WatchSession`.
    Session(SessionEvent),
    /// Of `Observe`.
    View(View),
    /// Of `Backup`.
    Backup {
        /// How many bytes there are in all.
        length: u64,
        /// The next ones.
        part: bytes::Bytes,
    },
    /// Of `WatchMembers`.
    Members(Vec<Member>),
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
    /// The node ends the connection.
    Bye {
        /// Why.
        why: String,
    },
}
