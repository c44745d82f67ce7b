//! [`History`]: all rounds, and what they say together.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::Round;
use crate::memory::Footprint;
use crate::rig::Backend;

/// What is too much.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes per held election.
    pub held: f64,
    /// Bytes by which the process may have grown, see [`History::growth`]: room for pools and caches that fill late, far
    /// less than a leak of one byte per election would be after an hour.
    pub growth: f64,
}

impl Limits {
    /// Of a backend. A member of an embedded group has the cache of its database (16 MiB) and the log's tail (11,000
    /// entries) to fill first.
    #[must_use]
    pub fn of(backend: Backend) -> Self {
        let growth = if backend.is_embedded() { 24.0 * 1024.0 * 1024.0 } else { 256.0 * 1024.0 };
        Self { held: 2048.0, growth }
    }
}

/// The rounds so far.
#[derive(Debug, Default)]
pub struct History(Vec<Round>);

/// Rounds in which pools fill and caches warm up; what is measured begins after them.
const WARM_UP: usize = 2;

/// The least that a verdict can be based on: quarters of one round each, after the warm-up.
const LEAST: usize = WARM_UP + 4;

impl History {
    /// One more.
    pub fn add(&mut self, round: Round) {
        self.0.push(round);
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are too few for a verdict.
    #[must_use]
    pub fn is_too_short(&self) -> bool {
        self.len() < LEAST
    }

    fn measured(&self) -> &[Round] {
        self.0.get(WARM_UP..).unwrap_or_default()
    }

    /// The median over the measured rounds.
    fn median(&self, what: impl Fn(&Round) -> f64) -> f64 {
        median(self.measured(), what)
    }

    /// Bytes for each held election.
    #[must_use]
    pub fn bytes_held(&self) -> f64 {
        self.median(|round| each(round.rest, round.held, round.load.elections))
    }

    /// Bytes for each candidate that waits, the task of ours that it waits on included.
    #[must_use]
    pub fn bytes_waiting(&self) -> f64 {
        self.median(|round| each(round.held, round.waiting, round.load.waiters))
    }

    /// Bytes for each observer, the task of ours included.
    #[must_use]
    pub fn bytes_observing(&self) -> f64 {
        self.median(|round| each(round.waiting, round.observing, round.load.observers))
    }

    /// The measured rounds, in four parts.
    fn quarters(&self) -> [&[Round]; 4] {
        let rounds = self.measured();
        [0, 1, 2, 3].map(|quarter| &rounds[rounds.len() * quarter / 4..rounds.len() * (quarter + 1) / 4])
    }

    /// How much larger the process at rest is in the last quarter than in the first, had each quarter grown over the one
    /// before it like the median of them. A leak grows in all of them, a pool that fills late in one.
    #[must_use]
    pub fn growth(&self) -> f64 {
        let at_rest = self.quarters().map(|rounds| median(rounds, |round| round.after.heap as f64));
        let mut steps = [0, 1, 2].map(|quarter| at_rest[quarter + 1] - at_rest[quarter]);
        steps.sort_by(f64::total_cmp);
        3.0 * steps[1]
    }

    /// The last round in one line.
    #[must_use]
    pub fn last_line(&self) -> String {
        let Some(round) = self.0.last() else { return "no round yet".into() };
        let Footprint { heap, resident, tasks, files, threads } = round.after;
        format!(
            "round {}: {:.0} B per held election, {:.0} B per waiter; at rest {tasks} tasks, {files} files, \
             {threads} threads, {:.2} MiB allocated, {:.1} MiB resident",
            self.len(),
            each(round.rest, round.held, round.load.elections),
            each(round.held, round.waiting, round.load.waiters),
            mebibytes(heap),
            mebibytes(resident),
        )
    }

    /// Everything, a line each.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let session = |what: fn(&Footprint) -> i64| {
            self.median(|round| (what(&round.session) - what(&round.rest)) as f64)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "rounds                      {}", self.len());
        let _ = writeln!(text, "memory per held election    {:.0} B", self.bytes_held());
        let _ = writeln!(text, "memory per waiter           {:.0} B", self.bytes_waiting());
        let _ = writeln!(text, "memory per observer         {:.0} B", self.bytes_observing());
        let _ = writeln!(text, "tasks per session           {}", session(|footprint| footprint.tasks));
        let _ = writeln!(text, "files per session           {}", session(|footprint| footprint.files));
        let _ = writeln!(text, "memory per session          {:.0} B", session(|footprint| footprint.heap));
        let held = |round: &Round| (round.held.tasks - round.rest.tasks) as f64;
        let _ = writeln!(text, "tasks more while held       {}", self.median(held));
        let _ = write!(text, "growth, first to last quarter  {:.1} KiB", self.growth() / 1024.0);
        text
    }

    /// Whether nothing leaks, and everything is as small as it should be.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn verdict(&self, limits: Limits) -> Result<()> {
        ensure!(
            !self.is_too_short(),
            "{} rounds are too few for a verdict: give it more minutes",
            self.len()
        );
        let (held, growth) = (self.bytes_held(), self.growth());
        ensure!(held <= limits.held, "{held:.0} B per held election: the limit is {:.0}", limits.held);
        ensure!(
            growth <= limits.growth,
            "the process at rest grows: by {:.0} KiB from the first quarter to the last, and the limit is {:.0}",
            growth / 1024.0,
            limits.growth / 1024.0
        );
        for (what, of) in [
            ("tasks", (|footprint| footprint.tasks) as fn(&Footprint) -> i64),
            ("open files", |footprint| footprint.files),
            ("threads", |footprint| footprint.threads),
        ] {
            // The least of each quarter: a blocking thread, or a file it has open, comes and goes.
            let least = self.quarters().map(|rounds| rounds.iter().map(|round| of(&round.after)).min());
            ensure!(
                !least.is_sorted_by(|a, b| a < b),
                "{what}: no fewer than {least:?} in the four quarters"
            );
        }
        println!("verdict: constant over {} rounds", self.len());
        Ok(())
    }
}

fn each(before: Footprint, after: Footprint, count: usize) -> f64 {
    (after.heap - before.heap) as f64 / count.max(1) as f64
}

fn median(rounds: &[Round], what: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(what).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mebibytes(bytes: i64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Load;

    fn footprint(heap: i64, tasks: i64) -> Footprint {
        Footprint { heap, resident: 0, tasks, files: 9, threads: 3 }
    }

    /// Rounds of 100 elections, each of which takes `held` bytes and leaves `leaked` behind.
    fn history(rounds: i64, held: i64, leaked: i64, tasks_leaked: i64) -> History {
        let round = |i: i64| {
            let (rest, after) = (i * leaked, (i + 1) * leaked);
            let at_rest = footprint(rest, 5 + i * tasks_leaked);
            Round {
                load: Load { elections: 100, waiters: 10, observers: 10 },
                rest: at_rest,
                held: footprint(rest + 100 * held, 6),
                waiting: footprint(rest + 100 * held + 10, 6),
                observing: footprint(rest + 100 * held + 20, 6),
                session: footprint(rest + 7, 7),
                after: footprint(after, 5 + (i + 1) * tasks_leaked),
            }
        };
        History((0..rounds).map(round).collect())
    }

    fn complaint(history: &History) -> String {
        history.verdict(Limits::of(Backend::Etcd)).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_stays_the_same_is_well() {
        let history = history(40, 1500, 0, 0);
        assert_eq!(complaint(&history), "");
        assert_eq!(
            (history.bytes_held(), history.bytes_waiting(), history.bytes_observing()),
            (1500.0, 1.0, 1.0)
        );
        assert!(history.summary().contains("memory per session          7 B"), "{}", history.summary());
    }

    #[test]
    fn a_pool_that_fills_late_is_no_leak() {
        for rounds in [LEAST as i64, 40] {
            for late in 0..rounds {
                let mut history = history(rounds, 1500, 0, 0);
                history.0[late as usize..].iter_mut().for_each(|round| round.after.heap += 1 << 20);
                assert_eq!(complaint(&history), "", "in round {late} of {rounds}");
            }
        }
    }

    #[test]
    fn leaks_and_excess_are_found() {
        assert!(complaint(&history(5, 1500, 0, 0)).contains("too few"));
        assert!(complaint(&history(40, 2049, 0, 0)).contains("2049 B per held election"));
        // A hundred bytes per election.
        assert!(complaint(&history(40, 1500, 10_000, 0)).contains("the process at rest grows"));
        assert!(complaint(&history(400, 1500, 0, 1)).contains("tasks"));
    }
}
