//! [`FencingToken`]: what a resource compares to turn away a leader of the past.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that strictly increases from one leadership of an election to the next.
///
/// It originates in the replicated store (etcd: create revision; ZooKeeper: `czxid`; Raft: log index of the
/// granting entry), never in a clock, a random number or a local counter. Send it with every write; a
/// resource that refuses every token below the highest it has seen cannot be written to by a leader of the
/// past, however late its bytes arrive. See Kleppmann, "How to do distributed locking" (2016), and Burrows,
/// "The Chubby lock service" (OSDI 2006), where it is called a sequencer.
///
/// Tokens of different elections, or of different coordination services, must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    /// Wraps a number that a coordination service issued.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number itself, to be sent to the resource.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
