//! [`Journal`]: what happened in a run, as the checker and a person read it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testkit::history::{Event, Fault, Op, Phase};

use crate::moment::Timepiece;

/// Who writes, and by which clock.
#[derive(Clone)]
pub(crate) struct Pen {
    pub(crate) journal: Journal,
    pub(crate) time: Arc<Timepiece>,
    pub(crate) pid: u32,
    pub(crate) id: String,
    pub(crate) incarnation: u32,
}

impl Pen {
    /// Stamps the event and writes it down.
    pub(crate) fn record(&self, election: &str, event: Event) {
        let (pid, incarnation, id) = (self.pid, self.incarnation, self.id.clone());
        // The checker learns a process's clock from its checks, and knows nothing of one that was killed after the
        // first (seed 324). Told from the true time, by how much the deadline is ahead or behind stays what it was.
        let shift =
            |at: u64| (u128::from(at) + u128::from(self.time.now())).saturating_sub(self.time.own().into());
        let shift = |at: Option<u64>| at.map(|at| u64::try_from(shift(at)).unwrap_or(u64::MAX));
        let (clock_ns, valid_until) = (shift(event.clock_ns), shift(event.valid_until));
        let event = Event { clock_ns, valid_until, ..event };
        let event = Event { pid, incarnation, id, election: election.to_owned(), ..event };
        self.journal.enter(self.time.now(), event);
    }

    /// A line for a person.
    pub(crate) fn note(&self, line: &str) {
        self.journal
            .note(self.time.now(), &format!("{:<12} {line}", format!("{}/{}", self.id, self.incarnation)));
    }
}

#[derive(Default)]
struct Inner {
    events: Vec<Event>,
    digest: u64,
    violations: Vec<String>,
    faults: u64,
    loud: bool,
}

/// All that was recorded. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Inner>>);

impl Journal {
    /// One that is printed as it grows, if `loud`.
    pub(crate) fn new(loud: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner { loud, ..Inner::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, now: u64, mut event: Event) {
        let mut inner = self.lock();
        event.mono_ns = now;
        event.boot_ns = now;
        event.seq = inner.events.len() as u64;
        let line = serde_json::to_string(&event).unwrap_or_default();
        inner.mix(&line);
        if inner.loud && !(event.op == Op::Check && event.phase == Phase::Ok) && event.op != Op::Records {
            println!("{} {}", stamp(now), describe(&event));
        }
        inner.events.push(event);
    }

    /// The number of the next fault.
    pub(crate) fn number(&self) -> u64 {
        let mut inner = self.lock();
        inner.faults += 1;
        inner.faults
    }

    /// Writes down a phase of a fault that concerns every election.
    pub(crate) fn fault(&self, now: u64, fault: &Fault, phase: Phase) {
        self.fault_in("", now, fault, phase);
    }

    /// Writes down a phase of a fault that concerns that election.
    pub(crate) fn fault_in(&self, election: &str, now: u64, fault: &Fault, phase: Phase) {
        let election = election.to_owned();
        let (fault, id) = (Some(fault.clone()), "harness".into());
        self.enter(now, Event { fault, id, election, ..Event::new(Op::Fault, phase) });
    }

    /// Something that the simulation itself finds wrong.
    pub(crate) fn violation(&self, now: u64, says: String) {
        let mut inner = self.lock();
        inner.mix(&says);
        if inner.loud {
            println!("{} VIOLATION {says}", stamp(now));
        }
        inner.violations.push(says);
    }

    /// A line for a person, which counts for the sum as well.
    pub(crate) fn note(&self, now: u64, line: &str) {
        let mut inner = self.lock();
        inner.mix(line);
        if inner.loud {
            println!("{} {line}", stamp(now));
        }
    }

    /// The events, what was found wrong, and a sum over all.
    pub(crate) fn take(&self) -> (Vec<Event>, Vec<String>, u64) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.events), std::mem::take(&mut inner.violations), inner.digest)
    }

    /// Who has claimed last, by its last check that went well.
    pub(crate) fn claimant(&self) -> Option<Event> {
        let inner = self.lock();
        let recent = inner.events.iter().rev().take(200);
        recent
            .filter(|event| event.op == Op::Check && event.phase == Phase::Ok)
            .max_by_key(|event| event.token)
            .cloned()
    }
}

impl Inner {
    fn mix(&mut self, line: &str) {
        let mut hasher = DefaultHasher::new();
        (self.digest, line).hash(&mut hasher);
        self.digest = hasher.finish();
    }
}

fn stamp(now: u64) -> String {
    format!("{:>12.6} s ", now as f64 / 1e9)
}

fn describe(event: &Event) -> String {
    let mut line = format!("{:<12} ", format!("{}/{}", event.id, event.incarnation));
    line += &format!("{} {} ", event.election, format!("{:?} {:?}", event.op, event.phase).to_lowercase());
    if let Some(fault) = &event.fault {
        line += &format!("{} on {} ", fault.kind, fault.target);
    }
    for (name, value) in [("number", event.number), ("token", event.token), ("unit", event.unit)] {
        if let Some(value) = value {
            line += &format!("{name} {value} ");
        }
    }
    if let Some(view) = &event.view {
        line += &format!("{view:?} ");
    }
    for text in [&event.reason, &event.note].into_iter().flatten() {
        line += &format!("{text} ");
    }
    line
}
