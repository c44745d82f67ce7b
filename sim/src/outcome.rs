//! [`Outcome`]: what a run is worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use testkit::checker::{Bounds, Facts, Left, Report, Verdict, check};
use testkit::history::{History, Op, Phase};

use crate::machine::Shared;
use crate::plan::Settings;

/// What a run is worth, in one line of JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// What it was made from.
    pub seed: u64,
    /// The laws that were broken, in words.
    pub violations: Vec<String>,
    /// Why it shows nothing, if it does not.
    pub idle: Vec<String>,
    /// The true time that passed in it, in milliseconds.
    pub virtual_ms: u64,
    /// Leaderships claimed.
    pub leaderships: usize,
    /// Those that another process claimed than the one before.
    pub takeovers: usize,
    /// Leaderships that were lost, and not given up.
    pub lost: usize,
    /// Checks made.
    pub checks: usize,
    /// Units of work committed, and requests refused by the fence, also of leaders that no longer waited for the answer.
    pub units: (usize, usize),
    /// Times a member began to serve as Raft leader.
    pub raft_leaders: u64,
    /// Members that came after the group was formed, and that went.
    pub members: (u64, u64),
    /// Entries applied, and how often a member's were compared with the first's.
    pub entries: (usize, u64),
    /// Segments delivered, and those that were lost once or waited.
    pub segments: (u64, u64),
    /// Faults by kind.
    pub faults: BTreeMap<String, usize>,
    /// The smallest time between an old leader's last valid check and the new one's first, in nanoseconds.
    pub margin_ns: Option<i64>,
    /// A sum over every event, every segment and every entry: the same for the same seed.
    pub digest: String,
}

/// What the group is held to, once faults are over.
fn bounds(settings: &Settings) -> Bounds {
    Bounds::for_ttl(settings.config.session.ttl)
}

/// The records of every election at this moment.
pub(crate) fn what_is_left(shared: &Shared) -> Vec<Vec<Left>> {
    let left = |election: &election_core::ElectionName| {
        let records = shared.ledger.records(election.as_str());
        let left = |(token, _, value): (Option<u64>, String, Vec<u8>)| Left {
            token: token.unwrap_or_default(),
            value: String::from_utf8_lossy(&value).into_owned(),
        };
        records.into_iter().map(left).collect()
    };
    shared.settings.elections.iter().map(left).collect()
}

/// Has every election checked.
pub(crate) fn judge(seed: u64, shared: &Shared, left: Vec<Vec<Left>>, now: u64) -> Outcome {
    let (events, own, journal) = shared.journal.take();
    let (delivered, stalled, net) = shared.net.counts();
    let (entries, compared, offices) = shared.ledger.counts();
    let mut outcome = Outcome {
        seed,
        violations: own,
        virtual_ms: now / crate::net::MILLI,
        units: (0, shared.sink.fenced()),
        raft_leaders: offices,
        members: shared.ledger.changes(),
        entries: (entries, compared),
        segments: (delivered, stalled),
        digest: format!("{journal:016x}{net:016x}{:016x}", shared.ledger.digest()),
        ..Outcome::default()
    };
    outcome.violations.extend(shared.ledger.violations());
    outcome.violations.extend(shared.sink.violations());
    let history = History::from_events(events);
    for event in history.events.iter().filter(|event| event.op == Op::Fault && event.phase == Phase::Invoke) {
        let kind = event.fault.as_ref().map(|fault| fault.kind.clone());
        *outcome.faults.entry(kind.unwrap_or_default()).or_default() += 1;
    }
    for (election, left) in shared.settings.elections.iter().zip(left) {
        let facts = Facts {
            records: Some(left),
            sink: Some(shared.sink.rows(election.as_str())),
            ..Facts::new(election.as_str(), bounds(&shared.settings))
        };
        outcome.add(&check(&history, &facts));
    }
    if outcome.faults.is_empty() {
        outcome.idle.push("no fault struck".into());
    }
    if outcome.takeovers == 0 {
        outcome.idle.push("nobody took over".into());
    }
    outcome
}

impl Outcome {
    fn add(&mut self, report: &Report) {
        let says = |it: &testkit::checker::Violation| format!("{:?}: {}", it.law, it.says);
        self.violations.extend(report.violations.iter().map(says));
        self.idle.extend(report.not_exercised.iter().cloned());
        let counts = &report.counts;
        self.leaderships += counts.leaderships;
        self.takeovers += counts.takeovers;
        self.lost += counts.lost;
        self.checks += counts.checks;
        self.units.0 += counts.units;
        let margin = report.margin.as_ref().map(|margin| margin.nanos);
        self.margin_ns = [self.margin_ns, margin].into_iter().flatten().min();
    }

    /// What it is worth.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.violations.is_empty() {
            Verdict::Violated
        } else if self.idle.is_empty() {
            Verdict::Passed
        } else {
            Verdict::NotExercised
        }
    }
}
