//! [`Claim`]: one leadership, from its first successful check to its end.
//!
//! The contract: a claim runs from the first successful check to the first of its deadline, the start of its
//! resign, its drop. A history does not show these instants, only brackets around them, so a claim has
//! four moments: it began between `start.earliest` and `start.latest`, and it had not ended before
//! [`sure_end`](Claim::sure_end). Two claims overlapped *for certain* if each began no later than the other had surely
//! not ended. So a violation is never a false alarm; and nothing is overlooked that lasts longer than the width of one
//! check's bracket (some microseconds, unless the process was stopped within it), because the promise counts, not only
//! the checks: a leader that is stopped or killed keeps its claim to its deadline.

use std::collections::BTreeMap;

use super::clocks::{Clocks, Deadline};
use crate::history::{Event, Op, Phase};

/// A moment that is known by two stamps around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Not before.
    pub earliest: u64,
    /// Not after.
    pub latest: u64,
}

/// How the owner of a leadership learned that it had lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The first check that failed.
    pub check: Bracket,
    /// Whether the deadline had passed; else the owner was told of the end before.
    pub lapsed: bool,
}

/// One leadership.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The index of its process.
    pub process: usize,
    /// The number of its campaign there.
    pub campaign: u64,
    /// Its token.
    pub token: u64,
    /// Its first successful check.
    pub start: Bracket,
    /// Its last successful check.
    pub last_check: Bracket,
    /// The deadline that was told last, in real time: not before.
    pub promised: u64,
    /// It was resigned, dropped or closed no sooner than this.
    pub given_up: Option<u64>,
    /// It was lost, and noticed. A leadership that was stopped or killed has neither.
    pub failed: Option<Failure>,
    /// How many checks succeeded.
    pub checks: u64,
}

impl Claim {
    /// It had surely not ended before.
    #[must_use]
    pub fn sure_end(&self) -> u64 {
        let promised = self.promised.min(self.given_up.unwrap_or(u64::MAX));
        let end = match self.failed {
            // It ended before the promised moment, at one that nobody knows: the owner was told, or its clock jumped.
            Some(failure) if !failure.lapsed || failure.check.latest < promised => self.last_check.earliest,
            _ => promised,
        };
        end.max(self.last_check.earliest)
    }

    /// It had surely ended after, as far as its own process knows.
    #[must_use]
    pub fn last_moment(&self) -> u64 {
        let noticed = self.failed.map_or(u64::MAX, |failure| failure.check.latest);
        let known = noticed.min(self.given_up.unwrap_or(u64::MAX));
        let end = if known == u64::MAX { self.promised } else { known };
        end.max(self.last_check.latest)
    }

    /// From when until when both held for certain, if they did.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<(u64, u64)> {
        let from = self.start.latest.max(other.start.latest);
        let until = self.sure_end().min(other.sure_end());
        (from <= until).then_some((from, until))
    }
}

/// Puts claims together, event by event in the order of their stamps.
pub(super) struct Builder<'c> {
    clocks: &'c Clocks,
    claims: BTreeMap<(usize, u64), Claim>,
}

impl<'c> Builder<'c> {
    pub(super) fn new(clocks: &'c Clocks) -> Self {
        Self { clocks, claims: BTreeMap::new() }
    }

    /// Takes the event with that index.
    pub(super) fn add(&mut self, index: usize, event: &Event, process: usize) {
        match (event.op, event.phase) {
            (Op::Check, Phase::Ok) => self.succeeded(index, event, process),
            (Op::Check, Phase::Fail) => {
                let reason = event.reason.as_deref();
                if let Some(claim) = self.claim(event, process)
                    // What was given up says `Closed` from then on: that is no loss.
                    && reason != Some("Closed")
                {
                    let lapsed = reason == Some("Unproven");
                    claim.failed.get_or_insert(Failure { check: bracket(event), lapsed });
                }
            }
            (Op::Resign | Op::Drop, Phase::Invoke) => {
                if let Some(claim) = self.claim(event, process) {
                    claim.given_up.get_or_insert(event.mono_ns);
                }
            }
            (Op::Close, Phase::Invoke) => {
                for (_, claim) in self.claims.range_mut((process, 0)..=(process, u64::MAX)) {
                    claim.given_up.get_or_insert(event.mono_ns);
                }
            }
            _ => {}
        }
    }

    fn claim(&mut self, event: &Event, process: usize) -> Option<&mut Claim> {
        self.claims.get_mut(&(process, event.number?))
    }

    fn succeeded(&mut self, index: usize, event: &Event, process: usize) {
        let (Some(number), Some(token)) = (event.number, event.token) else { return };
        let deadline = self.clocks.deadline(index, event, process);
        let check = successful(event, deadline);
        let claim = self.claims.entry((process, number)).or_insert(Claim {
            process,
            campaign: number,
            token,
            start: check,
            last_check: check,
            promised: 0,
            given_up: None,
            failed: None,
            checks: 0,
        });
        claim.checks += 1;
        claim.promised = claim.promised.max(deadline.map_or(0, |deadline| deadline.at_least));
        // Two threads check side by side, and their lines come in the order of their ends.
        claim.start.earliest = claim.start.earliest.min(check.earliest);
        claim.start.latest = claim.start.latest.min(check.latest);
        claim.last_check.earliest = claim.last_check.earliest.max(check.earliest);
        claim.last_check.latest = claim.last_check.latest.max(check.latest);
    }

    /// The claims in the order of their tokens.
    pub(super) fn build(self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = self.claims.into_values().collect();
        claims.sort_by_key(|claim| (claim.token, claim.start.latest));
        claims
    }
}

fn bracket(event: &Event) -> Bracket {
    Bracket { earliest: event.earliest(), latest: event.mono_ns }
}

/// A check that succeeded did so before the deadline it was told.
fn successful(event: &Event, deadline: Option<Deadline>) -> Bracket {
    let Bracket { earliest, latest } = bracket(event);
    let at_most = deadline.and_then(|deadline| deadline.at_most).unwrap_or(latest);
    Bracket { earliest, latest: latest.min(at_most.max(earliest)) }
}
