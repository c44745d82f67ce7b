//! The deterministic heart of the backend: sessions, elections and their queues.
//!
//! [`State::apply`] is a pure function of the state and one log entry. It reads no clock and draws no random
//! number, so every node that applies the same log holds the same state. Time enters only as entries: the
//! Raft leader *proposes* that a session has expired.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::command::{CandidacyId, Command, Effect, Outcome, Refusal, SessionId};
use super::holdings::Holdings;
use super::queue::{Queue, Seat};
use super::roll::Roll;
use super::session::{Session, opener};
use crate::types::NodeId;

/// The most candidacies of a session, and the most candidates of an election. What there may be of everything is
/// in [`Holdings`].
const MAX_CANDIDACIES: usize = 100_000;
const MAX_CANDIDATES: usize = 10_000;

/// Sessions and elections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// Which session a nonce opened, so that a repeated opening finds it.
    nonces: BTreeMap<u128, SessionId>,
    /// Elections with at least one candidate; an empty queue is removed.
    pub(super) elections: BTreeMap<String, Queue>,
    /// Who is, and who was, a member.
    #[serde(skip)]
    roll: Roll,
    /// How much there is of it. Derived; see [`decode`](Self::decode).
    #[serde(skip)]
    pub(super) holdings: Holdings,
}

impl State {
    /// Writes a snapshot. The roll comes after the rest, where snapshots of before there was one end.
    pub(crate) fn encode(&self) -> postcard::Result<Vec<u8>> {
        let snapshot = postcard::to_stdvec(self)?;
        #[cfg(zoo)]
        if election_core::zoo::planted("raft-snapshot-forgets-used-ids") {
            return Ok(snapshot);
        }
        if self.roll.is_empty() { Ok(snapshot) } else { postcard::to_extend(&self.roll, snapshot) }
    }

    /// Reads a snapshot.
    pub(crate) fn decode(snapshot: &[u8]) -> postcard::Result<Self> {
        let (mut state, rest) = postcard::take_from_bytes::<Self>(snapshot)?;
        if !rest.is_empty() {
            let (roll, rest) = postcard::take_from_bytes(rest)?;
            if !rest.is_empty() {
                return Err(postcard::Error::DeserializeBadEncoding);
            }
            state.roll = roll;
        }
        for session in state.sessions.values() {
            state.holdings.add_session(session);
            state.holdings.recount_buried(session.opener(), 0, session.buried.len());
        }
        for seat in state.elections.values().flat_map(Queue::seats) {
            let opener = state.sessions.get(&seat.candidacy.session).map_or(0, Session::opener);
            state.holdings.add_record(opener, seat);
        }
        Ok(state)
    }

    /// Applies the entry at log index `index`, which grows from call to call. Appends what changed to
    /// `effects`.
    pub(crate) fn apply(&mut self, index: u64, command: &Command, effects: &mut Vec<Effect>) -> Outcome {
        if let Err(refusal) = command.check() {
            return Outcome::Refused(refusal);
        }
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
            Command::Enroll { node, incarnation } => match self.roll.enroll(*node, *incarnation) {
                Ok(()) => Outcome::Enrolled,
                Err(refusal) => Outcome::Refused(refusal),
            },
        }
    }

    /// Takes in who the members are now.
    pub(crate) fn set_members(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        self.roll.members(ids);
    }

    /// Who is, and who was, a member.
    pub(crate) fn roll(&self) -> &Roll {
        &self.roll
    }

    fn open(&mut self, index: u64, nonce: u128, ttl_ms: u64, effects: &mut Vec<Effect>) -> Outcome {
        if let Some(session) = self.nonces.get(&nonce) {
            return Outcome::Opened { session: *session };
        }
        if let Err(refusal) = self.holdings.room_for_session(opener(nonce)) {
            return Outcome::Refused(refusal);
        }
        let session = Session::new(nonce, ttl_ms);
        self.holdings.add_session(&session);
        self.sessions.insert(index, session);
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
            self.holdings.drop_session(&session);
            let opener = session.opener();
            self.holdings.recount_buried(opener, session.buried.len(), 0);
            for (number, election) in session.candidacies {
                let Some(queue) = self.elections.get_mut(&election) else { continue };
                let Some(seat) = queue.take(CandidacyId { session: *id, number }) else { continue };
                self.holdings.drop_record(opener, &seat);
                if seat.token.is_some() {
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
        let Some(session) = self.sessions.get_mut(&candidacy.session) else { return Outcome::NoSession };
        let (opener, buried) = (session.opener(), session.buried.len());
        session.raise_floor(floor);
        self.holdings.recount_buried(opener, buried, session.buried.len());
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
        if self.elections.get(election).is_some_and(|queue| queue.len() >= MAX_CANDIDATES) {
            return Outcome::Refused(Refusal::Candidates);
        }
        if let Err(refusal) = self.holdings.room_for_record(opener, id, value) {
            return Outcome::Refused(refusal);
        }
        session.candidacies.insert(candidacy.number, election.to_owned());
        let seat = Seat { index, candidacy, id: id.to_owned(), value: value.clone(), token: None };
        self.holdings.add_record(opener, &seat);
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
        let (opener, buried) = (session.opener(), session.buried.len());
        session.raise_floor(floor);
        // At once: whatever is answered below, a member that restores a snapshot counts what is there.
        self.holdings.recount_buried(opener, buried, session.buried.len());
        match session.candidacies.get(&candidacy.number) {
            Some(known) if known != election => return Outcome::Absent,
            Some(_) => {}
            None => {
                if let Err(refusal) = self.holdings.room_to_bury(opener) {
                    return Outcome::Refused(refusal);
                }
            }
        }
        let buried = session.buried.len();
        session.bury(candidacy.number);
        self.holdings.recount_buried(opener, buried, session.buried.len());
        let Some(queue) = self.elections.get_mut(election) else { return Outcome::Absent };
        let Some(seat) = queue.take(candidacy) else { return Outcome::Absent };
        self.holdings.drop_record(opener, &seat);
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
        let session = self.sessions.get_mut(&candidacy.session);
        let opener = session.as_ref().map_or(0, |session| session.opener());
        self.holdings.drop_record(opener, &seat);
        if let Some(session) = session {
            let buried = session.buried.len();
            session.bury(candidacy.number);
            self.holdings.recount_buried(opener, buried, session.buried.len());
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
}
