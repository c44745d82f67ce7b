//! [`Sink`]: the resource that only the leader may write to, at the other end of a slow line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use election_core::gate::{FenceGate, Fenced, MemoryGate};
use election_core::{ElectionName, FencingToken};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::contender::Row;
use tokio::sync::oneshot;

use crate::net::MILLI;

/// What a leader asks of the sink.
struct Request {
    election: ElectionName,
    token: FencingToken,
    /// The unit that is done; without it, which one is next is asked.
    unit: Option<u64>,
    writer: String,
    answer: oneshot::Sender<Answer>,
}

/// The unit that is next or was written; or that a newer leader has written.
pub(crate) type Answer = Result<u64, ()>;

#[derive(Default)]
struct Table {
    gate: MemoryGate,
    rows: Vec<Row>,
    /// The highest token that was let in.
    highest: u64,
    violations: Vec<String>,
}

struct Inner {
    rng: StdRng,
    tables: BTreeMap<String, Table>,
    /// By when it arrives, and in which order it was sent.
    under_way: BTreeMap<(u64, u64), Request>,
    /// Answers, by when they arrive.
    answers: BTreeMap<(u64, u64), (oneshot::Sender<Answer>, Answer)>,
    sent: u64,
    fenced: usize,
}

/// The sink. Clones are the same.
#[derive(Clone)]
pub(crate) struct Sink(Arc<Mutex<Inner>>);

impl Sink {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: StdRng::seed_from_u64(seed),
            tables: BTreeMap::new(),
            under_way: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: 0,
            fenced: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request off. It arrives, whatever becomes of the sender: effects in flight cannot be taken back.
    pub(crate) fn send(
        &self,
        now: u64,
        election: &ElectionName,
        token: FencingToken,
        unit: Option<u64>,
        writer: &str,
    ) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let mut inner = self.lock();
        inner.sent += 1;
        let key = (now + inner.delay(), inner.sent);
        let (election, writer) = (election.clone(), writer.to_owned());
        inner.under_way.insert(key, Request { election, token, unit, writer, answer });
        receiver
    }

    /// Does what has arrived by `now`, and delivers answers.
    pub(crate) fn work(&self, now: u64) {
        let mut inner = self.lock();
        while let Some(first) = inner.under_way.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, number), request) = first.remove_entry();
            let table = inner.tables.entry(request.election.as_str().to_owned()).or_default();
            let answer = table.serve(&request);
            inner.fenced += usize::from(answer.is_err());
            let due = at + inner.delay();
            inner.answers.insert((due, number), (request.answer, answer));
        }
        let mut due = Vec::new();
        while let Some(first) = inner.answers.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove());
        }
        drop(inner);
        for (sender, answer) in due {
            sender.send(answer).ok();
        }
    }

    /// How many requests were too late.
    pub(crate) fn fenced(&self) -> usize {
        self.lock().fenced
    }

    /// What was found wrong, in words.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().tables.values().flat_map(|table| table.violations.clone()).collect()
    }

    /// All that was accepted in that election, in that order.
    pub(crate) fn rows(&self, election: &str) -> Vec<Row> {
        self.lock().tables.get(election).map(|table| table.rows.clone()).unwrap_or_default()
    }
}

impl Inner {
    /// Mostly short, and now and then longer than a session.
    fn delay(&mut self) -> u64 {
        let longest = if self.rng.random_bool(0.03) { 400 } else { 3 };
        self.rng.random_range(MILLI / 10..=longest * MILLI)
    }
}

impl Table {
    fn serve(&mut self, request: &Request) -> Answer {
        if let Err(error) = self.gate.admit(&request.election, request.token) {
            debug_assert!(Fenced::cause_of(&error).is_some());
            // That one too many is refused is as bad as that one too many is let in: the work stops.
            if request.token.get() >= self.highest {
                let (token, highest) = (request.token, self.highest);
                self.violations
                    .push(format!("the fence refuses token {token}, and the highest is {highest}"));
            }
            return Err(());
        }
        self.highest = self.highest.max(request.token.get());
        let next = self.rows.iter().map(|row| row.unit).max().unwrap_or(0) + 1;
        let Some(unit) = request.unit else { return Ok(next) };
        let (token, writer) = (request.token.get(), request.writer.clone());
        self.rows.push(Row { place: self.rows.len() as u64 + 1, unit, token, writer });
        Ok(unit)
    }
}
