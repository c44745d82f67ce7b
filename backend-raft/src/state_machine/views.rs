//! What others see of the state.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::command::CandidacyId;

/// The leader of an election as observers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaderRecord {
    /// The candidate's id.
    pub(crate) id: String,
    /// The candidate's value.
    pub(crate) value: Bytes,
    /// The token.
    pub(crate) token: u64,
}

/// A candidacy as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Its number within the session.
    pub(crate) number: u64,
    /// The token, if it leads.
    pub(crate) token: Option<u64>,
}

/// A place in a queue, as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Whose it is.
    pub(crate) candidacy: CandidacyId,
    /// The candidate's id.
    pub(crate) id: String,
    /// The token, if it leads.
    pub(crate) token: Option<u64>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Sessions.
    pub(crate) sessions: u64,
    /// Elections with a candidate.
    pub(crate) elections: u64,
    /// Candidates in all queues, the leaders included.
    pub(crate) candidacies: u64,
}

/// An election in a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contest {
    /// Its name.
    pub(crate) election: String,
    /// The leader's candidate id, if there is a leader.
    pub(crate) leader: Option<String>,
    /// Its token.
    pub(crate) token: Option<u64>,
    /// How many candidates there are, the leader included.
    pub(crate) candidates: u64,
}

/// A member of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its id.
    pub(crate) id: u64,
    /// `host:port`, as it was given when it became one.
    pub(crate) address: String,
    /// Whether it votes; else it is still learning.
    pub(crate) votes: bool,
}
