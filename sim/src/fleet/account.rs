//! [`Account`]: what many runs come to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use testkit::checker::Verdict;

use crate::Outcome;

/// What many runs come to.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Runs that passed.
    pub passed: u64,
    /// Runs that exercised nothing: they show nothing.
    pub idle: u64,
    /// The seeds of runs that broke a law, and how.
    pub violated: Vec<(u64, Vec<String>)>,
    virtual_ms: u64,
    sums: BTreeMap<&'static str, u64>,
    faults: BTreeMap<String, usize>,
    margin_ns: Option<(i64, u64)>,
}

impl Account {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        match outcome.verdict() {
            Verdict::Passed => self.passed += 1,
            Verdict::NotExercised => self.idle += 1,
            Verdict::Violated => self.violated.push((outcome.seed, outcome.violations.clone())),
        }
        self.virtual_ms += outcome.virtual_ms;
        for (name, count) in [
            ("leaderships", outcome.leaderships as u64),
            ("takeovers", outcome.takeovers as u64),
            ("leaderships lost", outcome.lost as u64),
            ("checks", outcome.checks as u64),
            ("units of work", outcome.units.0 as u64),
            ("units fenced off", outcome.units.1 as u64),
            ("Raft leaderships", outcome.raft_leaders),
            ("members added", outcome.members.0),
            ("members removed", outcome.members.1),
            ("entries applied", outcome.entries.0 as u64),
            ("entries compared", outcome.entries.1),
            ("segments delivered", outcome.segments.0),
            ("segments late", outcome.segments.1),
        ] {
            *self.sums.entry(name).or_default() += count;
        }
        for (kind, count) in &outcome.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        let margin = outcome.margin_ns.map(|margin| (margin, outcome.seed));
        self.margin_ns = [self.margin_ns, margin].into_iter().flatten().min();
    }

    /// How many runs there were.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.passed + self.idle + self.violated.len() as u64
    }

    /// How often that fault struck.
    #[must_use]
    pub fn struck(&self, kind: &str) -> usize {
        self.faults.get(kind).copied().unwrap_or(0)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |f: &mut fmt::Formatter<'_>, name: &str, count: u64| writeln!(f, "  {name:<22} {count:>10}");
        line(f, "seeds passed", self.passed)?;
        line(f, "seeds without exercise", self.idle)?;
        line(f, "seeds with a violation", self.violated.len() as u64)?;
        line(f, "simulated seconds", self.virtual_ms / 1000)?;
        self.sums.iter().try_for_each(|(name, count)| line(f, name, *count))?;
        writeln!(f, "faults")?;
        self.faults.iter().try_for_each(|(kind, count)| line(f, kind, *count as u64))?;
        if let Some((margin, seed)) = self.margin_ns {
            let margin =
                Duration::from_nanos(margin.unsigned_abs()).as_secs_f64() * 1e3 * margin.signum() as f64;
            writeln!(f, "the smallest time between two claims: {margin:.3} ms, seed {seed}")?;
        }
        Ok(())
    }
}
