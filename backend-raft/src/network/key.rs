//! What shows that a session is one's own.

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// A session's key: drawn at random by whoever opens the session, and sent with every request about it. The
/// session's id is no secret: administrators see it, and it is easy to guess.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionKey(u128);

impl SessionKey {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(rand::rng().random())
    }

    /// One of a test's choice.
    #[cfg(test)]
    pub(crate) const fn of(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bytes, to be digested.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// It must not end up in a log.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
