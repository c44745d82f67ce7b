//! [`Plan`]: which faults, in which order, for how long.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::nemesis::{Area, Kind};

/// How often two faults are let loose at once.
const PAIRS: f64 = 0.25;

/// What happens at one time, and how long it is quiet afterwards.
#[derive(Clone, Debug)]
pub struct Round {
    /// One fault, or two that touch different things.
    pub strikes: Vec<Strike>,
    /// The time without a fault after it, once somebody leads.
    pub calm: Duration,
}

/// One fault of the plan.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Which one.
    pub kind: &'static Kind,
    /// Decides what it leaves to chance.
    pub seed: u64,
    /// How long it lasts.
    pub lasts: Duration,
}

/// An endless list of rounds, the same for the same seed. Each fault comes up once before any comes up again.
#[derive(Clone, Debug)]
pub struct Plan {
    rng: StdRng,
    kinds: Vec<&'static Kind>,
    /// Those that are still to come before all are shuffled again.
    ahead: Vec<&'static Kind>,
    ttl: Duration,
    /// Whether servers are workers, too: then faults of the two touch the same processes.
    members: bool,
}

impl Plan {
    /// A plan of these faults for sessions of that TTL.
    #[must_use]
    pub fn new(seed: u64, kinds: Vec<&'static Kind>, ttl: Duration) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), kinds, ahead: Vec::new(), ttl, members: false }
    }

    /// The same where the servers are workers, too.
    #[must_use]
    pub fn with_members(self, members: bool) -> Self {
        Self { members, ..self }
    }

    fn area(&self, kind: &Kind) -> Area {
        if self.members && kind.area == Area::Servers { Area::Workers } else { kind.area }
    }

    /// How many faults come up before the first comes up again.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.ahead.len()
    }

    fn strike(&mut self, kind: &'static Kind) -> Strike {
        let seed = self.rng.random();
        Strike { kind, seed, lasts: kind.draw_duration(&mut self.rng, self.ttl) }
    }
}

impl Iterator for Plan {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        if self.ahead.is_empty() {
            self.ahead.clone_from(&self.kinds);
            self.ahead.shuffle(&mut self.rng);
        }
        let first = self.ahead.pop()?;
        let mut strikes = vec![self.strike(first)];
        if self.rng.random_bool(PAIRS) {
            let other = self.ahead.iter().rposition(|kind| self.area(kind) != self.area(first));
            if let Some(other) = other {
                let other = self.ahead.remove(other);
                strikes.push(self.strike(other));
            }
        }
        let calm = self.ttl.mul_f64(self.rng.random_range(0.5..1.5));
        Some(Round { strikes, calm })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::nemesis::KINDS;

    const TTL: Duration = Duration::from_secs(2);

    fn plan(seed: u64) -> Plan {
        Plan::new(seed, KINDS.iter().collect(), TTL)
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_one_another() {
        let shown = |seed| format!("{:?}", plan(seed).take(40).collect::<Vec<_>>());
        assert_eq!(shown(7), shown(7));
        assert_ne!(shown(7), shown(8));
    }

    #[test]
    fn each_fault_comes_up_once_before_any_comes_up_again() {
        let mut plan = plan(3);
        for _ in 0..2 {
            let mut seen = HashSet::new();
            while seen.len() < KINDS.len() {
                for strike in plan.next().unwrap().strikes {
                    assert!(seen.insert(strike.kind.name), "{} again", strike.kind.name);
                }
            }
            assert_eq!(plan.ahead(), 0);
        }
    }

    #[test]
    fn two_at_once_touch_different_things() {
        let pairs: Vec<Round> = plan(1).take(200).filter(|round| round.strikes.len() == 2).collect();
        assert!(!pairs.is_empty());
        assert!(pairs.iter().all(|round| round.strikes[0].kind.area != round.strikes[1].kind.area));
        let of_processes = |strike: &Strike| matches!(strike.kind.area, Area::Workers | Area::Servers);
        let twice = |round: &Round| round.strikes.iter().filter(|strike| of_processes(strike)).count() == 2;
        assert!(pairs.iter().any(twice));
        assert!(!plan(1).with_members(true).take(200).any(|round| twice(&round)));
    }
}
