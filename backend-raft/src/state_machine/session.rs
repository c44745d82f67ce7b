//! A session in the replicated state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::holdings::Opener;

/// So many bits of a nonce tell the session; those above them tell who opened it.
pub(crate) const KEY_BITS: u32 = 80;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// What opened it.
    pub(super) nonce: u128,
    /// How long it lives without a renewal, in milliseconds.
    pub(super) ttl_ms: u64,
    /// Every candidacy in a queue, by number, and the election it is in.
    pub(super) candidacies: BTreeMap<u64, String>,
    /// Numbers that were withdrawn or removed and may still be asked for by a duplicate that is under way.
    /// Only numbers at or above `floor` need this memory, so it is as small as the client's number of
    /// requests in flight.
    pub(super) buried: BTreeSet<u64>,
    pub(super) floor: u64,
}

impl Session {
    /// A session without candidacies.
    pub(super) fn new(nonce: u128, ttl_ms: u64) -> Self {
        Self { nonce, ttl_ms, candidacies: BTreeMap::new(), buried: BTreeSet::new(), floor: 0 }
    }

    /// Who opened it.
    pub(super) fn opener(&self) -> Opener {
        opener(self.nonce)
    }

    /// Notes which numbers are settled.
    pub(super) fn raise_floor(&mut self, floor: u64) {
        if floor > self.floor {
            self.floor = floor;
            self.buried = self.buried.split_off(&floor);
        }
    }

    /// Makes sure that a duplicate of a campaign under this number comes to nothing.
    pub(super) fn bury(&mut self, number: u64) {
        self.candidacies.remove(&number);
        if number >= self.floor {
            self.buried.insert(number);
        }
    }
}

/// Who opened the session of this nonce.
pub(super) fn opener(nonce: u128) -> Opener {
    // What is left has 48 bits.
    (nonce >> KEY_BITS) as Opener
}
