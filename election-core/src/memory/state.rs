//! [`State`]: what the service knows, and the rules by which it changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::candidate::{Candidate, ElectionName};
use crate::clock::Instant;
use crate::event::Leader;
use crate::token::FencingToken;

pub(super) type SessionId = u64;

/// Chosen by the client, unique in its session: it finds a record whose token the client has not learned.
pub(super) type Ticket = u64;

/// Where a candidacy stands, as of one revision of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its record is there and nobody is ahead.
    Leading,
    /// Its record is there and somebody is ahead.
    Waiting,
    /// Its session lives and its record is gone.
    RecordGone,
    /// Its session is gone, and its record with it.
    SessionGone,
}

struct Session {
    expires: Instant,
    records: BTreeMap<Ticket, (ElectionName, FencingToken)>,
}

struct Record {
    session: SessionId,
    ticket: Ticket,
    candidate: Candidate,
    /// Told when this record becomes the first, and when it goes; nobody else's watch is touched.
    watch: Arc<Notify>,
}

struct Election {
    /// Ordered by token, which is the order of arrival.
    queue: BTreeMap<FencingToken, Record>,
    /// The highest token that has led.
    led: Option<FencingToken>,
    /// What observers wait on: sent whenever the first of the queue is another one.
    changes: watch::Sender<()>,
}

/// Sessions, queues, and one counter. Every change asserts the invariants of what it touched.
pub(super) struct State {
    ttl: Duration,
    sessions: BTreeMap<SessionId, Session>,
    elections: HashMap<ElectionName, Election>,
    /// Numbers sessions and records of all elections alike, so that no token is issued twice even when an
    /// election is removed and begins anew.
    counter: u64,
}

impl State {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, sessions: BTreeMap::new(), elections: HashMap::new(), counter: 0 }
    }

    fn draw(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn open(&mut self, now: Instant) -> SessionId {
        let id = self.draw();
        self.sessions.insert(id, Session { expires: now + self.ttl, records: BTreeMap::new() });
        id
    }

    /// Extends a session; `false` if it is gone, which is final.
    pub(super) fn renew(&mut self, now: Instant, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.expires = now + self.ttl;
        true
    }

    /// Ends a session and removes its records; `false` if it is gone already.
    pub(super) fn close(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        for (election, token) in session.records.values().cloned().collect::<Vec<_>>() {
            self.remove(&election, token);
        }
        self.sessions.remove(&id);
        true
    }

    /// Ends the sessions whose time has come.
    pub(super) fn expire(&mut self, now: Instant) {
        let expired = self.sessions.iter().filter(|(_, session)| session.expires <= now);
        for id in expired.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id);
        }
    }

    /// When the next session ends if nobody renews.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.sessions.values().map(|session| session.expires).min()
    }

    /// Gives every session one full TTL from now, as real services do when they come back.
    pub(super) fn extend_all(&mut self, now: Instant) {
        for session in self.sessions.values_mut() {
            session.expires = now + self.ttl;
        }
    }

    /// Adds a record at the end of the queue; `None` if the session is gone.
    pub(super) fn join(
        &mut self,
        session: SessionId,
        ticket: Ticket,
        election: &ElectionName,
        candidate: Candidate,
        watch: Arc<Notify>,
    ) -> Option<(FencingToken, Standing)> {
        let token = FencingToken::new(self.draw());
        let entry = self.sessions.get_mut(&session)?.records.insert(ticket, (election.clone(), token));
        assert!(entry.is_none(), "ticket {ticket} was used twice in session {session}");
        let queue = &mut self.election(election).queue;
        queue.insert(token, Record { session, ticket, candidate, watch });
        if queue.len() == 1 {
            self.crown(election);
        }
        self.assert_election(election);
        Some((token, self.standing(session, election, token)))
    }

    pub(super) fn standing(&self, id: SessionId, election: &ElectionName, token: FencingToken) -> Standing {
        if !self.sessions.contains_key(&id) {
            return Standing::SessionGone;
        }
        match self.elections.get(election).map(|election| &election.queue) {
            Some(queue) if queue.keys().next() == Some(&token) => Standing::Leading,
            Some(queue) if queue.contains_key(&token) => Standing::Waiting,
            _ => Standing::RecordGone,
        }
    }

    /// Removes the record of one candidacy, if it is still there. It names the session's own ticket, so it
    /// cannot hit a successor.
    pub(super) fn withdraw(&mut self, session: SessionId, ticket: Ticket) {
        let record = self.sessions.get(&session).and_then(|session| session.records.get(&ticket)).cloned();
        if let Some((election, token)) = record {
            self.remove(&election, token);
        }
    }

    /// Removes a record; `false` if there is none.
    pub(super) fn remove(&mut self, name: &ElectionName, token: FencingToken) -> bool {
        let Some(election) = self.elections.get_mut(name) else { return false };
        let first = election.queue.keys().next() == Some(&token);
        let Some(record) = election.queue.remove(&token) else { return false };
        let session = self.sessions.get_mut(&record.session);
        let indexed = session.and_then(|session| session.records.remove(&record.ticket));
        assert_eq!(indexed, Some((name.clone(), token)), "the index of session {} is wrong", record.session);
        record.watch.notify_one();
        if first {
            self.crown(name);
        }
        self.assert_election(name);
        self.forget_if_unused(name);
        true
    }

    /// Removes all records of an election, and its entry.
    pub(super) fn remove_election(&mut self, name: &ElectionName) {
        // From the back, so that nobody is made leader on the way.
        while let Some(last) = self.elections.get(name).and_then(|election| election.queue.keys().next_back())
        {
            let last = *last;
            self.remove(name, last);
        }
    }

    pub(super) fn leader(&self, name: &ElectionName) -> Option<Leader> {
        let (token, record) = self.elections.get(name)?.queue.first_key_value()?;
        let (id, value) = (record.candidate.id().to_string(), record.candidate.value().clone());
        Some(Leader { id, value, token: *token })
    }

    /// Changes of who is first in an election, from now on.
    pub(super) fn subscribe(&mut self, name: &ElectionName) -> watch::Receiver<()> {
        self.election(name).changes.subscribe()
    }

    /// How many subscriptions there are, of all elections.
    pub(super) fn subscriptions(&self) -> usize {
        self.elections.values().map(|election| election.changes.receiver_count()).sum()
    }

    pub(super) fn records(&self, name: &ElectionName) -> usize {
        self.elections.get(name).map_or(0, |election| election.queue.len())
    }

    pub(super) fn tokens(&self, name: &ElectionName) -> Vec<FencingToken> {
        self.elections.get(name).map_or(Vec::new(), |election| election.queue.keys().copied().collect())
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn election(&mut self, name: &ElectionName) -> &mut Election {
        self.elections.entry(name.clone()).or_insert_with(|| Election {
            queue: BTreeMap::new(),
            led: None,
            changes: watch::Sender::new(()),
        })
    }

    /// The first of the queue is another one: it is told, and so are the observers.
    fn crown(&mut self, name: &ElectionName) {
        let election = self.election(name);
        if let Some((token, record)) = election.queue.first_key_value() {
            assert!(election.led < Some(*token), "token {token} of {name} is not above {:?}", election.led);
            election.led = Some(*token);
            record.watch.notify_one();
        }
        election.changes.send_replace(());
    }

    /// An election that nobody stands in and nobody observes is no entry: names come and go.
    fn forget_if_unused(&mut self, name: &ElectionName) {
        let unused =
            |election: &Election| election.queue.is_empty() && election.changes.receiver_count() == 0;
        if self.elections.get(name).is_some_and(unused) {
            self.elections.remove(name);
        }
    }

    /// What holds between any two steps. It walks the queue, so only where assertions are on.
    fn assert_election(&self, name: &ElectionName) {
        let Some(election) = self.elections.get(name).filter(|_| cfg!(debug_assertions)) else { return };
        if let Some(first) = election.queue.keys().next() {
            assert_eq!(election.led, Some(*first), "the first of {name} has not been told that it leads");
        }
        for (token, record) in &election.queue {
            assert!(token.get() <= self.counter, "token {token} of {name} was never drawn");
            let session = self.sessions.get(&record.session);
            let indexed = session.and_then(|session| session.records.get(&record.ticket));
            assert_eq!(
                indexed,
                Some(&(name.clone(), *token)),
                "record {token} of {name} has no live session"
            );
        }
    }
}
