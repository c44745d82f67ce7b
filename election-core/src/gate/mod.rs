//! Fencing: the resource's half of leader election.
//!
//! A [`check`](crate::LeadershipHandle::check) is over when it returns. A process can be paused right after it
//! and wake an hour later, in the middle of its write; a killed process can still have bytes in flight. Only a
//! resource that compares tokens is safe from a leader of the past: it remembers the highest
//! [`FencingToken`] it has seen and refuses every lower one. That is a [`FenceGate`].
//!
//! | gate | the check and the write are one because … |
//! | --- | --- |
//! | [`MemoryGate`] | it lies beside the data, behind the same `&mut` |
#![cfg_attr(feature = "sqlite", doc = "| [`SqlGate`] | both are statements of one SQL transaction |")]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "| `SqlGate` (feature `sqlite`) | both are statements of one SQL transaction |"
)]
//!
//! # Two rules for the leader
//! 1. **Write through the gate**: in one critical section, admit the token, then write.
//! 2. **Admit before the first read, too.** Until the gate has seen the new token it still lets the old leader
//!    write, also *after* the new one has read what there is to do. Who admits its token and reads in one
//!    critical section knows that nothing older can change what it read.
//!
//! # Third parties
//! A payment service knows no tokens, so it cannot refuse a late request. Give it an *idempotency key that is
//! derived from the unit of work* (the invoice's number), the same for every attempt of every leader: what
//! arrives twice is done once. A key with the token in it would be a new one after each takeover, and the
//! customer would pay twice. Treat an answer that never came as unknown: ask again with the same key.
//!
//! # The limits
//! Tokens of one election are comparable as long as the coordination service keeps its memory. etcd or
//! ZooKeeper restored from a backup, or a Raft group built anew, can issue lower ones; then every write is
//! [`Fenced`] until the tokens have caught up or an operator has raised an epoch in their high bits.

mod memory;
#[cfg(feature = "sqlite")]
mod sql;
#[cfg(test)]
mod tests;

pub use memory::MemoryGate;
#[cfg(feature = "sqlite")]
pub use sql::SqlGate;

use crate::candidate::ElectionName;
use crate::error::{Error, Kind, Operation, Result};
use crate::token::FencingToken;

/// Lets no token pass that is below the highest it has seen in the same election.
///
/// `&mut self` stands for the critical section: a gate is borrowed from whatever makes the check and the
/// write that follows one indivisible step (a lock, a transaction). A check in one section and a write in the
/// next is no fence: the successor can come in between.
///
/// A trait, because each database wants its own: what is in front of a ledger in Postgres is four lines
/// around the statement that `SqlGate` documents.
pub trait FenceGate {
    /// Admits a write under `token` and remembers it as the highest of `election`; an equal token is the same
    /// leader again, and welcome.
    ///
    /// # Errors
    /// [`Kind::NotLeader`] with [`Fenced`] as its source if a higher token has been seen: write nothing, roll
    /// back, stop. Any other kind means that the gate could not be asked: write nothing either.
    fn admit(&mut self, election: &ElectionName, token: FencingToken) -> Result<()>;

    /// The highest token that was admitted in `election`.
    ///
    /// # Errors
    /// If the gate cannot be asked.
    fn highest(&mut self, election: &ElectionName) -> Result<Option<FencingToken>>;
}

/// The write came from a leader of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("token {token} is below {highest}, the highest seen")]
pub struct Fenced {
    /// The token that was refused.
    pub token: FencingToken,
    /// The highest token that the gate has seen.
    pub highest: FencingToken,
}

impl Fenced {
    /// The refusal behind an [`Error`], if that is what it is.
    #[must_use]
    pub fn cause_of(error: &Error) -> Option<Self> {
        std::error::Error::source(error)?.downcast_ref().copied()
    }
}

impl From<Fenced> for Error {
    fn from(fenced: Fenced) -> Self {
        Self::new(Kind::NotLeader, Operation::Fence)
            .message("a newer leader has written: roll back and stop")
            .source(fenced)
    }
}
