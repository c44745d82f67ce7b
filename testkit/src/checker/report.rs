//! [`Report`]: the verdict on a run, and what was counted.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::margin::{self, Margin};
use super::run::{Outcome, Run};
use super::violation::{Law, Violation};
use crate::history::{History, Op, Phase};

/// What a run is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// It exercised what it is about, and no law was broken.
    Passed,
    /// A law was broken.
    Violated,
    /// No law was broken, but the run did not exercise what it is about: it proves nothing.
    NotExercised,
}

/// What was found and counted.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The broken laws, in the order of the laws.
    pub violations: Vec<Violation>,
    /// What the run did not exercise.
    pub not_exercised: Vec<String>,
    /// The laws of which these facts and histories tell nothing.
    pub undecided: Vec<Law>,
    /// What happened.
    pub counts: Counts,
    /// The worst change of leaders, by the old leader's last valid check.
    pub margin: Option<Margin>,
    /// The worst one in which nobody gave up, by the old leader's deadline.
    pub deadline_margin: Option<Margin>,
}

/// How much happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Starts of contenders and observers.
    pub processes: usize,
    /// Campaigns begun.
    pub campaigns: usize,
    /// Campaigns dropped before their end.
    pub cancelled: usize,
    /// Leaderships claimed.
    pub leaderships: usize,
    /// Leaderships that another process than the one before claimed.
    pub takeovers: usize,
    /// Leaderships that were lost, and not given up.
    pub lost: usize,
    /// Leaderships that were told of their end and followed by another before the deadline they had been promised.
    pub withdrawn: usize,
    /// Checks made.
    pub checks: usize,
    /// Units of work committed.
    pub units: usize,
    /// Units of work refused by the gate.
    pub fenced: usize,
    /// Observations.
    pub observations: usize,
    /// What they saw.
    pub seen: usize,
    /// Looks into the service.
    pub looks: usize,
    /// Lines torn by a kill.
    pub torn: usize,
    /// Faults by kind.
    pub faults: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn new(history: &History, run: &Run<'_>) -> Self {
        let (margin, deadline_margin) = margin::worst(run);
        Self {
            violations: Vec::new(),
            not_exercised: Vec::new(),
            undecided: Vec::new(),
            counts: Counts::of(history, run),
            margin,
            deadline_margin,
        }
    }

    /// What the run is worth.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.violations.is_empty() {
            Verdict::Violated
        } else if !self.not_exercised.is_empty() {
            Verdict::NotExercised
        } else {
            Verdict::Passed
        }
    }
}

impl Counts {
    fn of(history: &History, run: &Run<'_>) -> Self {
        let mut counts = Self {
            processes: run.processes.len() - idle(run),
            campaigns: run.campaigns.len(),
            cancelled: run.campaigns.iter().filter(|campaign| campaign.outcome == Outcome::Dropped).count(),
            leaderships: run.claims.len(),
            takeovers: run.claims.windows(2).filter(|pair| pair[0].process != pair[1].process).count(),
            lost: run.claims.iter().filter(|claim| claim.failed.is_some()).count(),
            withdrawn: margin::withdrawn(run),
            observations: run.streams.len(),
            seen: run.streams.iter().map(|stream| stream.items.len()).sum(),
            looks: run.snapshots.len(),
            torn: history.torn.len(),
            ..Self::default()
        };
        for event in &run.events {
            match (event.op, event.phase) {
                (Op::Check, _) => counts.checks += 1,
                (Op::Unit, Phase::Ok) => counts.units += 1,
                (Op::Unit, Phase::Fail) if event.reason.as_deref() == Some("fenced") => counts.fenced += 1,
                _ => {}
            }
        }
        for trouble in &run.troubles {
            *counts.faults.entry(trouble.fault.kind.clone()).or_default() += 1;
        }
        counts
    }
}

/// The processes that neither campaigned nor observed: the harness.
fn idle(run: &Run<'_>) -> usize {
    let is_idle = |process: &usize| {
        run.campaigns.iter().all(|campaign| campaign.process != *process)
            && run.streams.iter().all(|stream| stream.process != *process)
    };
    (0..run.processes.len()).filter(is_idle).count()
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms (token {} to {})", self.nanos as f64 / 1e6, self.old, self.new)
    }
}

/// How many violations of one law are printed.
const SHOWN: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let verdict = match self.verdict() {
            Verdict::Passed => "passed",
            Verdict::Violated => "VIOLATED",
            Verdict::NotExercised => "NOT EXERCISED: this run proves nothing",
        };
        writeln!(f, "verdict        {verdict}")?;
        writeln!(
            f,
            "leaderships    {} ({} takeovers, {} lost) from {} campaigns ({} cancelled) of {} processes",
            counts.leaderships,
            counts.takeovers,
            counts.lost,
            counts.campaigns,
            counts.cancelled,
            counts.processes
        )?;
        writeln!(f, "checks         {}", counts.checks)?;
        writeln!(f, "units of work  {} committed, {} fenced", counts.units, counts.fenced)?;
        writeln!(f, "observations   {}, which saw {} events", counts.observations, counts.seen)?;
        let faults: Vec<String> = counts.faults.iter().map(|(kind, n)| format!("{n} × {kind}")).collect();
        writeln!(
            f,
            "faults         {}",
            if faults.is_empty() { "none".to_owned() } else { faults.join(", ") }
        )?;
        for (name, margin) in [("by last check", self.margin), ("by deadline", self.deadline_margin)] {
            if let Some(margin) = margin {
                writeln!(f, "worst margin   {margin}, {name}")?;
            }
        }
        if counts.withdrawn > 0 {
            writeln!(
                f,
                "withdrawn      {} leaders were replaced before their deadline, and knew",
                counts.withdrawn
            )?;
        }
        if counts.torn > 0 {
            writeln!(f, "torn lines     {} (of processes that were killed)", counts.torn)?;
        }
        for law in &self.undecided {
            writeln!(f, "not decided    {law}")?;
        }
        for missing in &self.not_exercised {
            writeln!(f, "not exercised  {missing}")?;
        }
        for law in Law::ALL {
            let broken: Vec<&Violation> = self.violations.iter().filter(|v| v.law == law).collect();
            for violation in broken.iter().take(SHOWN) {
                writeln!(f, "violation      {violation}")?;
            }
            if broken.len() > SHOWN {
                writeln!(f, "               and {} more of {law:?}", broken.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}
