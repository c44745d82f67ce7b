//! What is written into the Raft log, and what comes back once it is applied.

use std::fmt;

use bytes::Bytes;
use election_core::{MAX_NAME_BYTES, MAX_VALUE_BYTES};
use serde::{Deserialize, Serialize};

use crate::store::Incarnation;
use crate::types::NodeId;

/// A session: the log index of the entry that opened it. Never reused.
pub(crate) type SessionId = u64;

/// A candidacy: the session it belongs to and a number that the session's owner counts up.
///
/// The number is chosen by the client *before* its first request, so that a request whose answer was lost can
/// be repeated, and withdrawn, under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct CandidacyId {
    /// The session.
    pub(crate) session: SessionId,
    /// The number within the session.
    pub(crate) number: u64,
}

impl fmt::Display for CandidacyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.session, self.number)
    }
}

/// One entry of the log. Applying it twice, or late, does no harm: see each variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Opens a session. Repeated with the same nonce it answers with the session that exists.
    OpenSession {
        /// Chosen at random by the client.
        nonce: u128,
        /// How long the session lives without a proven renewal, in milliseconds.
        ttl_ms: u64,
    },
    /// Ends a session and all its candidacies at its owner's wish.
    CloseSession {
        /// The session.
        session: SessionId,
    },
    /// Ends sessions whose time has passed on the Raft leader's clock.
    ExpireSessions {
        /// The sessions; those that have gone already are passed over.
        sessions: Vec<SessionId>,
    },
    /// Queues a candidacy. Repeated, it answers with the present state of the one that exists.
    Campaign {
        /// The candidacy.
        candidacy: CandidacyId,
        /// Every number below this one is settled: the client will not ask for it again, and an entry that
        /// does so is a duplicate from the past.
        floor: u64,
        /// The election.
        election: String,
        /// The candidate's id.
        id: String,
        /// The candidate's value.
        value: Bytes,
    },
    /// Takes a candidacy out of the queue, whether it waits or leads. It names the candidacy and not the
    /// election's present leader, so a late duplicate never harms a successor.
    Withdraw {
        /// The candidacy.
        candidacy: CandidacyId,
        /// As in [`Command::Campaign`].
        floor: u64,
        /// The election.
        election: String,
    },
    /// An administrator's removal of a candidacy's record. Its owner is told.
    Remove {
        /// The candidacy.
        candidacy: CandidacyId,
        /// The election.
        election: String,
    },
    /// Gives a member's id to a data directory, for good: see [`Roll`](super::roll::Roll). Repeated for the same one
    /// it answers the same.
    Enroll {
        /// The id.
        node: NodeId,
        /// The data directory.
        incarnation: Incarnation,
    },
}

/// The shortest and the longest TTL of a session, in milliseconds.
pub(crate) const TTL_BOUNDS_MS: std::ops::RangeInclusive<u64> = 20..=3_600_000;

impl Command {
    /// Whether it is within bounds in itself, whatever the state. Asked before it is written to the log, which
    /// nonsense must not fill, and when it is applied: the log may be of an earlier version.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let names: &[&str] = match self {
            Self::OpenSession { ttl_ms, .. } if !TTL_BOUNDS_MS.contains(ttl_ms) => return Err(Refusal::Ttl),
            Self::Campaign { value, .. } if value.len() > MAX_VALUE_BYTES => return Err(Refusal::Value),
            Self::OpenSession { .. }
            | Self::CloseSession { .. }
            | Self::ExpireSessions { .. }
            | Self::Enroll { .. } => &[],
            Self::Campaign { election, id, .. } => &[election, id],
            Self::Withdraw { election, .. } | Self::Remove { election, .. } => &[election],
        };
        let good = |name: &&str| (1..=MAX_NAME_BYTES).contains(&name.len());
        if names.iter().all(good) { Ok(()) } else { Err(Refusal::Name) }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenSession { ttl_ms, .. } => write!(f, "open session of {ttl_ms} ms"),
            Self::CloseSession { session } => write!(f, "close session {session}"),
            Self::ExpireSessions { sessions } => write!(f, "expire {} sessions", sessions.len()),
            Self::Campaign { candidacy, election, .. } => write!(f, "campaign {candidacy} in {election}"),
            Self::Withdraw { candidacy, election, .. } => write!(f, "withdraw {candidacy} from {election}"),
            Self::Remove { candidacy, election } => write!(f, "remove {candidacy} from {election}"),
            Self::Enroll { node, .. } => write!(f, "enroll node {node}"),
        }
    }
}

/// What applying a [`Command`] answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The entry asked for nothing (blank and membership entries).
    Nothing,
    /// The session is open.
    Opened {
        /// Its id.
        session: SessionId,
    },
    /// The candidacy is in the queue since log index `seat`; with a token it leads.
    Queued {
        /// Log index of the entry that queued it.
        seat: u64,
        /// The token, if it leads.
        token: Option<u64>,
    },
    /// The candidacy was withdrawn before; this is a late duplicate.
    Withdrawn,
    /// What was to be removed was there and is gone.
    Removed,
    /// What was to be removed is not there.
    Absent,
    /// The session does not exist, or no longer.
    NoSession,
    /// A limit of the state machine was hit; nothing changed.
    Refused(Refusal),
    /// The id belongs to the data directory.
    Enrolled,
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// A name has 0 or more than 128 bytes.
    Name,
    /// The value has more than 64 KiB.
    Value,
    /// The TTL is out of bounds.
    Ttl,
    /// There are too many sessions.
    Sessions,
    /// There are too many candidacies in one session.
    Candidacies,
    /// One client has too many sessions.
    SessionsOfOne,
    /// There are too many records.
    Records,
    /// One client has too many records.
    RecordsOfOne,
    /// There are too many candidates in one election.
    Candidates,
    /// The records are too long, taken together.
    Bytes,
    /// The records of one client are too long, taken together.
    BytesOfOne,
    /// The id belongs to another data directory.
    IdTaken,
    /// The id was a member's that was removed.
    IdRemoved,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name must have 1 to 128 bytes",
            Self::Value => "a value may have at most 64 KiB",
            Self::Ttl => "a session's TTL must lie between 20 ms and 1 h",
            Self::Sessions => "the group holds the most sessions it may (100,000): close some",
            Self::Candidacies => "the session holds the most candidacies it may (100,000): open another",
            Self::SessionsOfOne => {
                "this client (its certificate's name, or its address) has the most sessions it may (4,096): close \
                 some, or let the coordinators of a process share one"
            }
            Self::Records => "the group holds the most candidacies it may (200,000): withdraw some",
            Self::RecordsOfOne => {
                "this client (its certificate's name, or its address) has the most candidacies it may (100,000): \
                 withdraw some"
            }
            Self::Candidates => "the election has the most candidates it may (10,000): withdraw some",
            Self::Bytes => {
                "the group's records hold the most bytes they may (256 MiB): give shorter values, or withdraw some"
            }
            Self::IdTaken => {
                "its id belongs to another data directory, and no id is ever used twice (a node that lost its disk may \
                 have forgotten a vote): start it under a new id"
            }
            Self::IdRemoved => {
                "its id was that of a member that was removed, and no id is ever used twice: start it under a new id, \
                 with an empty data directory"
            }
            Self::BytesOfOne => {
                "this client's records hold the most bytes they may (128 MiB): give shorter values, or withdraw some"
            }
        })
    }
}

/// What an entry changed, for those who wait for it. Told to the watchers of the node that applied it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A session was opened.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Its TTL in milliseconds.
        ttl_ms: u64,
    },
    /// A session, and every candidacy of it, is gone.
    SessionGone {
        /// The session.
        session: SessionId,
    },
    /// A candidacy leads now.
    Granted {
        /// The candidacy.
        candidacy: CandidacyId,
        /// Its token.
        token: u64,
    },
    /// A candidacy was removed without its owner having asked for it.
    Deposed {
        /// The candidacy.
        candidacy: CandidacyId,
    },
    /// An election has another leader, or none.
    LeaderChanged {
        /// The election.
        election: String,
    },
}
