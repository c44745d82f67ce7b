//! [`Violation`]: a broken law, and what broke it.

use std::fmt;

use serde::Serialize;

/// The laws of a history: the contract of `Elector`, as far as outsiders can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Law {
    /// Claims never overlap in real time.
    S1,
    /// Tokens strictly increase with claim start; none is reused.
    S2,
    /// The sink accepts no token below its maximum, and no unit of work twice.
    S3,
    /// No check succeeds after the deadline, nor after a failure.
    S4,
    /// What an observer sees is an in-order subsequence of the truth, and ends equal to it.
    S5,
    /// An observation begun after a claim was made reports nothing older.
    S6,
    /// With a quorum and a live candidate there is a claim within the bound.
    L1,
    /// A waiter whose predecessor went is woken within the bound.
    L2,
    /// Nothing is left behind.
    L3,
    /// Resign ends the leadership, once, and harms no successor.
    L4,
    /// A candidate without a record never claims.
    L5,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::L1,
        Self::L2,
        Self::L3,
        Self::L4,
        Self::L5,
    ];

    /// The law in one sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::S1 => "claims never overlap in real time",
            Self::S2 => "tokens strictly increase with claim start; none is reused",
            Self::S3 => "the sink accepts no token below its maximum, and no unit of work twice",
            Self::S4 => "no check succeeds after the deadline, nor after a failure",
            Self::S5 => "what an observer sees is an in-order subsequence of the truth, and ends equal to it",
            Self::S6 => "an observation begun after a claim was made reports nothing older",
            Self::L1 => "with a quorum and a live candidate there is a claim within the bound",
            Self::L2 => "a waiter whose predecessor went is woken within the bound",
            Self::L3 => "nothing is left behind",
            Self::L4 => "resign ends the leadership, once, and harms no successor",
            Self::L5 => "a candidate without a record never claims",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.text())
    }
}

/// A law that was broken: where, by whom, and the evidence in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// Who did what when, in the words of the contract.
    pub says: String,
    /// `CLOCK_MONOTONIC` where it begins.
    pub from_ns: u64,
    /// And where it ends.
    pub until_ns: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.says)
    }
}
