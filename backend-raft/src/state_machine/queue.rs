//! The queue of one election.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::command::CandidacyId;

/// One place in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// Log index of the entry that queued it: its place.
    pub(crate) index: u64,
    /// Whose it is.
    pub(crate) candidacy: CandidacyId,
    /// The candidate's id.
    pub(crate) id: String,
    /// The candidate's value.
    pub(crate) value: Bytes,
    /// The token, if it leads. Only the first seat ever does.
    pub(crate) token: Option<u64>,
}

/// Candidates in the order of their log index; the first one leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Seat>", into = "Vec<Seat>")]
pub(crate) struct Queue {
    /// Boxed: a node of the map has room for eleven, and most queues hold one.
    seats: BTreeMap<u64, Box<Seat>>,
    /// Finds a seat by its candidacy. Derived, so it is not written to snapshots. Never iterated, so its
    /// random order cannot reach the replicated state.
    places: HashMap<CandidacyId, u64>,
}

impl From<Vec<Seat>> for Queue {
    fn from(seats: Vec<Seat>) -> Self {
        let mut queue = Self::default();
        for seat in seats {
            queue.push(seat);
        }
        queue
    }
}

impl From<Queue> for Vec<Seat> {
    fn from(queue: Queue) -> Self {
        queue.seats.into_values().map(|seat| *seat).collect()
    }
}

impl Queue {
    /// Adds a seat at the end: its index is larger than any before.
    pub(crate) fn push(&mut self, seat: Seat) {
        self.places.insert(seat.candidacy, seat.index);
        self.seats.insert(seat.index, Box::new(seat));
    }

    /// Takes a candidacy out, wherever it stands.
    pub(crate) fn take(&mut self, candidacy: CandidacyId) -> Option<Seat> {
        let place = self.places.remove(&candidacy)?;
        self.seats.remove(&place).map(|seat| *seat)
    }

    /// Makes the first seat the leader under `token`, unless it leads already.
    pub(crate) fn grant(&mut self, token: u64) -> Option<CandidacyId> {
        let mut first = self.seats.first_entry()?;
        let seat = first.get_mut();
        if seat.token.is_some() {
            return None;
        }
        seat.token = Some(token);
        Some(seat.candidacy)
    }

    /// The seat that leads.
    pub(crate) fn leader(&self) -> Option<&Seat> {
        self.seats.first_key_value().map(|(_, seat)| &**seat).filter(|seat| seat.token.is_some())
    }

    /// The seat of a candidacy.
    pub(crate) fn get(&self, candidacy: CandidacyId) -> Option<&Seat> {
        self.seats.get(self.places.get(&candidacy)?).map(|seat| &**seat)
    }

    /// Whether nobody stands in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// How many stand in it.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// The seats, first to last.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().map(|seat| &**seat)
    }
}
