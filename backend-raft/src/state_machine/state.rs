//! The deterministic heart of the backend: sessions, elections and their queues.
//!
//! [`State::apply`] is a pure function of the state and one log entry. It reads no clock and draws no random
//! number, so every node that applies the same log holds the same state. Time enters only as entries: the
//! Raft leader *proposes* that a session has expired.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use election_core::{MAX_NAME_BYTES, MAX_VALUE_BYTES};
use serde::{Deserialize, Serialize};

use super::command::{CandidacyId, Command, Effect, Outcome, Refusal, SessionId};
use super::queue::{Queue, Seat};
use super::session::Session;

/// The shortest and the longest TTL of a session, in milliseconds.
pub(crate) const TTL_BOUNDS_MS: std::ops::RangeInclusive<u64> = 20..=3_600_000;
/// The most sessions of a group, and the most candidacies of a session.
const MAX_SESSIONS: usize = 100_000;
const MAX_CANDIDACIES: usize = 100_000;

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

/// Sessions and elections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    sessions: BTreeMap<SessionId, Session>,
    /// Which session a nonce opened, so that a repeated opening finds it.
    nonces: BTreeMap<u128, SessionId>,
    /// Elections with at least one candidate; an empty queue is removed.
    elections: BTreeMap<String, Queue>,
}

impl State {
    /// Applies the entry at log index `index`, which grows from call to call. Appends what changed to
    /// `effects`.
    pub(crate) fn apply(&mut self, index: u64, command: &Command, effects: &mut Vec<Effect>) -> Outcome {
        match command {
            Command::OpenSession { nonce, ttl_ms } => self.open(index, *nonce, *ttl_ms, effects),
            Command::CloseSession { session } => {
                if self.end_sessions(index, &[*session], effects) == 0 {
                    Outcome::Absent
                } else {
                    Outcome::Removed
                }
            }
            Command::ExpireSessions { sessions } => {
                self.end_sessions(index, sessions, effects);
                Outcome::Nothing
            }
            Command::Campaign { candidacy, floor, election, id, value } => {
                self.campaign(index, *candidacy, *floor, election, id, value, effects)
            }
            Command::Withdraw { candidacy, floor, election } => {
                self.withdraw(index, *candidacy, *floor, election, effects)
            }
            Command::Remove { candidacy, election } => self.remove(index, *candidacy, election, effects),
        }
    }

    fn open(&mut self, index: u64, nonce: u128, ttl_ms: u64, effects: &mut Vec<Effect>) -> Outcome {
        if let Some(session) = self.nonces.get(&nonce) {
            return Outcome::Opened { session: *session };
        }
        if !TTL_BOUNDS_MS.contains(&ttl_ms) {
            return Outcome::Refused(Refusal::Ttl);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Outcome::Refused(Refusal::Sessions);
        }
        self.sessions.insert(index, Session::new(nonce, ttl_ms));
        self.nonces.insert(nonce, index);
        effects.push(Effect::SessionOpened { session: index, ttl_ms });
        Outcome::Opened { session: index }
    }

    /// Ends sessions and says how many there were. First every candidacy of theirs goes, then the queues
    /// that lost their head grant: else a grant could go to a session that ends in the same entry, and one
    /// entry would grant twice in one election under one token.
    fn end_sessions(&mut self, index: u64, ids: &[SessionId], effects: &mut Vec<Effect>) -> usize {
        let mut ended = 0;
        let mut touched = BTreeSet::new();
        for id in ids {
            let Some(session) = self.sessions.remove(id) else { continue };
            ended += 1;
            self.nonces.remove(&session.nonce);
            for (number, election) in session.candidacies {
                if let Some(queue) = self.elections.get_mut(&election)
                    && queue
                        .take(CandidacyId { session: *id, number })
                        .is_some_and(|seat| seat.token.is_some())
                {
                    touched.insert(election);
                }
            }
            effects.push(Effect::SessionGone { session: *id });
        }
        for election in touched {
            self.settle(index, &election, effects);
        }
        ended
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one command, taken apart once")]
    fn campaign(
        &mut self,
        index: u64,
        candidacy: CandidacyId,
        floor: u64,
        election: &str,
        id: &str,
        value: &Bytes,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let bounds = 1..=MAX_NAME_BYTES;
        if !bounds.contains(&election.len()) || !bounds.contains(&id.len()) {
            return Outcome::Refused(Refusal::Name);
        }
        if value.len() > MAX_VALUE_BYTES {
            return Outcome::Refused(Refusal::Value);
        }
        let Some(session) = self.sessions.get_mut(&candidacy.session) else { return Outcome::NoSession };
        session.raise_floor(floor);
        if let Some(known) = session.candidacies.get(&candidacy.number) {
            // Only a repetition of the very same request is one; a number reused elsewhere is a defect of
            // the client and must not look like success.
            let seat = self.elections.get(known).and_then(|queue| queue.get(candidacy));
            return match seat {
                Some(seat) if known == election => Outcome::Queued { seat: seat.index, token: seat.token },
                _ => Outcome::Withdrawn,
            };
        }
        if candidacy.number < session.floor || session.buried.contains(&candidacy.number) {
            return Outcome::Withdrawn;
        }
        if session.candidacies.len() >= MAX_CANDIDACIES {
            return Outcome::Refused(Refusal::Candidacies);
        }
        session.candidacies.insert(candidacy.number, election.to_owned());
        let seat = Seat { index, candidacy, id: id.to_owned(), value: value.clone(), token: None };
        self.elections.entry(election.to_owned()).or_default().push(seat);
        let token = self.settle(index, election, effects).filter(|(head, _)| *head == candidacy);
        Outcome::Queued { seat: index, token: token.map(|(_, token)| token) }
    }

    fn withdraw(
        &mut self,
        index: u64,
        candidacy: CandidacyId,
        floor: u64,
        election: &str,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        // A session that has gone took its candidacies along, and ids are never reused.
        let Some(session) = self.sessions.get_mut(&candidacy.session) else { return Outcome::Absent };
        session.raise_floor(floor);
        if session.candidacies.get(&candidacy.number).is_some_and(|known| known != election) {
            return Outcome::Absent;
        }
        session.bury(candidacy.number);
        let Some(queue) = self.elections.get_mut(election) else { return Outcome::Absent };
        let Some(seat) = queue.take(candidacy) else { return Outcome::Absent };
        if seat.token.is_some() {
            self.settle(index, election, effects);
        }
        Outcome::Removed
    }

    fn remove(
        &mut self,
        index: u64,
        candidacy: CandidacyId,
        election: &str,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let Some(queue) = self.elections.get_mut(election) else { return Outcome::Absent };
        let Some(seat) = queue.take(candidacy) else { return Outcome::Absent };
        if let Some(session) = self.sessions.get_mut(&candidacy.session) {
            session.bury(candidacy.number);
        }
        effects.push(Effect::Deposed { candidacy });
        if seat.token.is_some() {
            self.settle(index, election, effects);
        }
        Outcome::Removed
    }

    /// Grants the leadership to the head of the queue if nobody holds it, drops an empty queue, and tells
    /// of the change. Answers with the new leader. Call it at most once per entry and election: that is
    /// what makes the log index a token.
    fn settle(
        &mut self,
        index: u64,
        election: &str,
        effects: &mut Vec<Effect>,
    ) -> Option<(CandidacyId, u64)> {
        let queue = self.elections.get_mut(election)?;
        #[cfg(zoo)]
        // A term stays what it is from one grant to the next.
        let index = if election_core::zoo::planted("raft-term-as-token") { 1 } else { index };
        let granted = queue.grant(index);
        if let Some(candidacy) = granted {
            effects.push(Effect::Granted { candidacy, token: index });
        } else if queue.is_empty() {
            self.elections.remove(election);
        } else {
            return None;
        }
        effects.push(Effect::LeaderChanged { election: election.to_owned() });
        granted.map(|candidacy| (candidacy, index))
    }

    /// The present leader of an election.
    pub(crate) fn leader(&self, election: &str) -> Option<LeaderRecord> {
        let seat = self.elections.get(election)?.leader()?;
        Some(LeaderRecord { id: seat.id.clone(), value: seat.value.clone(), token: seat.token? })
    }

    /// The queue of an election, first to last.
    pub(crate) fn places(&self, election: &str) -> Vec<Place> {
        let place = |seat: &Seat| Place { candidacy: seat.candidacy, id: seat.id.clone(), token: seat.token };
        self.elections.get(election).into_iter().flat_map(Queue::seats).map(place).collect()
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
