//! Looking into the state.

use super::command::{CandidacyId, SessionId};
use super::queue::{Queue, Seat};
use super::state::State;
use super::views::{Contest, LeaderRecord, Place, Standing, Totals};

impl State {
    /// The present leader of an election.
    pub(crate) fn leader(&self, election: &str) -> Option<LeaderRecord> {
        let seat = self.elections.get(election)?.leader()?;
        Some(LeaderRecord { id: seat.id.clone(), value: seat.value.clone(), token: seat.token? })
    }

    /// Every election that has a leader: its name, the leader's id and token.
    pub(crate) fn leaders(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.elections.iter().filter_map(|(election, queue)| {
            let seat = queue.leader()?;
            Some((election.as_str(), seat.id.as_str(), seat.token?))
        })
    }

    /// How much there is of everything.
    pub(crate) fn totals(&self) -> Totals {
        let count = |count: usize| count as u64;
        Totals {
            sessions: count(self.sessions.len()),
            elections: count(self.elections.len()),
            candidacies: count(self.holdings.records()),
        }
    }

    /// The queue of an election, first to last.
    pub(crate) fn places(&self, election: &str) -> Vec<Place> {
        let place = |seat: &Seat| Place { candidacy: seat.candidacy, id: seat.id.clone(), token: seat.token };
        self.elections.get(election).into_iter().flat_map(Queue::seats).map(place).collect()
    }

    /// Elections by name, those after `after`, and no more than `most` of them.
    pub(crate) fn contests(&self, after: &str, most: usize) -> Vec<Contest> {
        let from = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let contest = |(name, queue): (&String, &Queue)| Contest {
            election: name.clone(),
            leader: queue.leader().map(|seat| seat.id.clone()),
            token: queue.leader().and_then(|seat| seat.token),
            candidates: queue.len() as u64,
        };
        self.elections.range::<str, _>(from).take(most).map(contest).collect()
    }

    /// How many sessions there are, and how many elections.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.sessions.len() as u64, self.elections.len() as u64)
    }

    /// Every election and its queue.
    #[cfg(test)]
    pub(super) fn queues(&self) -> impl Iterator<Item = (&str, &Queue)> {
        self.elections.iter().map(|(name, queue)| (name.as_str(), queue))
    }

    /// Every session and its TTL in milliseconds.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (SessionId, u64)> + '_ {
        self.sessions.iter().map(|(id, session)| (*id, session.ttl_ms))
    }

    /// What opened a session.
    pub(crate) fn nonce(&self, id: SessionId) -> Option<u128> {
        self.sessions.get(&id).map(|session| session.nonce)
    }

    /// The records of an election, first to last: token, id and value.
    #[cfg(feature = "sim")]
    pub(crate) fn records(&self, election: &str) -> Vec<crate::sim::Record> {
        let record = |seat: &Seat| (seat.token, seat.id.clone(), seat.value.to_vec());
        self.elections.get(election).into_iter().flat_map(Queue::seats).map(record).collect()
    }

    /// Every candidacy of a session; nothing if the session is gone.
    pub(crate) fn standings(&self, id: SessionId) -> Option<Vec<Standing>> {
        let session = self.sessions.get(&id)?;
        let standing = |(number, election): (&u64, &String)| {
            let seat = self.elections.get(election)?.get(CandidacyId { session: id, number: *number })?;
            Some(Standing { number: *number, token: seat.token })
        };
        Some(session.candidacies.iter().filter_map(standing).collect())
    }
}
