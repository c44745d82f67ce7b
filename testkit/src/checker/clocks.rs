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

/// How the deadline's clock of each process runs.
#[derive(Debug)]
pub(super) struct Clocks {
    paces: Vec<Pace>,
    /// For each event, how long the host had been suspended by then.
    suspended: Vec<u64>,
}

/// How one of them runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    /// It is the host's `CLOCK_BOOTTIME`.
    Host,
    /// It is faked, and runs that much faster.
    Own(f64),
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
        Self { paces: looks.iter().map(Looks::pace).collect(), suspended }
    }

    /// When the deadline that this check was told comes in real time.
    pub(super) fn deadline(&self, index: usize, event: &Event, process: usize) -> Option<Deadline> {
        let (valid_until, clock) = (event.valid_until?, event.clock_ns?);
        match self.paces[process] {
            Pace::Host => {
                let at = valid_until.saturating_sub(self.suspended[index]);
                Some(Deadline { at_least: at, at_most: Some(at) })
            }
            Pace::Own(rate) => {
                // The clock was read after `began`: what remained then is no less.
                let remains = valid_until.saturating_sub(clock) as f64 / rate * ESTIMATE;
                Some(Deadline { at_least: event.earliest() + remains as u64, at_most: None })
            }
        }
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

#[derive(Clone, Debug, Default)]
struct Looks {
    /// How many looks were off.
    foreign: usize,
    first: Option<(u64, u64)>,
    last: Option<(u64, u64)>,
}

impl Looks {
    fn add(&mut self, event: &Event, began: u64, clock: u64, suspended: u64) {
        // Read between the two stamps: on the host's clock it lies between them.
        let (from, until) = (began + suspended, event.mono_ns + suspended);
        self.foreign += usize::from(clock + SLACK_NS < from || clock > until + SLACK_NS);
        if event.mono_ns.saturating_sub(began) <= NARROW_NS {
            self.first.get_or_insert((began, clock));
            self.last = Some((began, clock));
        }
    }

    fn pace(&self) -> Pace {
        match (self.foreign >= FOREIGN_LOOKS, self.first, self.last) {
            (false, ..) => Pace::Host,
            (true, Some((m1, c1)), Some((m2, c2))) if m2 - m1 >= BASE_NS && c2 > c1 => {
                Pace::Own((c2 - c1) as f64 / (m2 - m1) as f64)
            }
            // Nothing is known: a clock that runs three times as fast as ours is the worst that is tried.
            _ => Pace::Own(3.0),
        }
    }
}
