//! [`Clocks`]: from a deadline on a process's own clock to real time.

use crate::history::{Event, Op};

/// What is taken off a deadline on a clock that is not the host's, whose rate is known by estimate only.
const ESTIMATE: f64 = 0.98;

/// Two looks at a clock tell its rate if they are at least this far apart.
const BASE_NS: u64 = 500_000_000;

/// A look is good if nothing came between the two clocks.
const NARROW_NS: u64 = 2_000_000;

/// A clock is not the host's if that many looks were off by more than this.
const FOREIGN_LOOKS: usize = 3;
const SLACK_NS: u64 = 1_000_000;

/// Where nothing is known of a foreign clock: none that is tried runs faster. A deadline that seems too near is no false
/// alarm.
const FASTEST: f64 = 3.0;

/// How the deadline's clock of each process runs.
#[derive(Debug)]
pub(super) struct Clocks {
    looks: Vec<Looks>,
    /// For each event, how long the host had been suspended by then.
    suspended: Vec<u64>,
}

/// A deadline in real time, on `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    /// It is not before this moment.
    pub(super) at_least: u64,
    /// It is not after this one, if that is known.
    pub(super) at_most: Option<u64>,
}

impl Clocks {
    pub(super) fn of(events: &[&Event], writer: &[usize], processes: usize) -> Self {
        let suspended = suspended(events);
        let mut looks: Vec<Looks> = vec![Looks::default(); processes];
        for (index, (event, &process)) in events.iter().zip(writer).enumerate() {
            if event.op == Op::Check
                && let (Some(began), Some(clock)) = (event.began_ns, event.clock_ns)
            {
                looks[process].add(event, began, clock, suspended[index]);
            }
        }
        Self { looks, suspended }
    }

    /// When the deadline that this check was told comes in real time.
    pub(super) fn deadline(&self, index: usize, event: &Event, process: usize) -> Option<Deadline> {
        let (valid_until, clock) = (event.valid_until?, event.clock_ns?);
        let looks = &self.looks[process];
        if looks.foreign < FOREIGN_LOOKS {
            let at = valid_until.saturating_sub(self.suspended[index]);
            return Some(Deadline { at_least: at, at_most: Some(at) });
        }
        // The clock was read after `began`: what remained then is no less.
        let remains =
            valid_until.saturating_sub(clock) as f64 / looks.rate(event.earliest(), clock) * ESTIMATE;
        Some(Deadline { at_least: event.earliest() + remains as u64, at_most: None })
    }
}

/// The two clocks of a stamp are read one after the other, and a process can be interrupted between them: their
/// difference is too large, then. What was suspended later is never less than what was suspended before.
fn suspended(events: &[&Event]) -> Vec<u64> {
    let mut least = u64::MAX;
    let mut suspended: Vec<u64> = events
        .iter()
        .rev()
        .map(|event| {
            least = least.min(event.boot_ns.saturating_sub(event.mono_ns));
            least
        })
        .collect();
    suspended.reverse();
    suspended
}

/// What a process's checks show of its clock.
#[derive(Clone, Debug, Default)]
struct Looks {
    /// How many were off.
    foreign: usize,
    /// The good ones, as stamp and clock.
    good: Vec<(u64, u64)>,
}

impl Looks {
    fn add(&mut self, event: &Event, began: u64, clock: u64, suspended: u64) {
        // Read between the two stamps: on the host's clock it lies between them.
        let (from, until) = (began + suspended, event.mono_ns + suspended);
        self.foreign += usize::from(clock + SLACK_NS < from || clock > until + SLACK_NS);
        let is_later = self.good.last().is_none_or(|(last, _)| *last <= began);
        if event.mono_ns.saturating_sub(began) <= NARROW_NS && is_later {
            self.good.push((began, clock));
        }
    }

    /// How fast the clock has been running, by a look some time before this one. A jump in between makes it seem faster.
    fn rate(&self, began: u64, clock: u64) -> f64 {
        let before = self.good.partition_point(|(look, _)| look + BASE_NS <= began);
        match before.checked_sub(1).map(|last| self.good[last]) {
            Some((look, its)) if clock > its => (clock - its) as f64 / (began - look) as f64,
            _ => FASTEST,
        }
    }
}
