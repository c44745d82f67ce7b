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
