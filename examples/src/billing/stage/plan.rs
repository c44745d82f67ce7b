//! Which faults, in which order, and at which charge: all from one seed.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::billing::provider::script::{Fault, Script, Step};

/// What is done to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LeaderFault {
    /// SIGKILL; started anew once a successor leads.
    Kill,
    /// SIGSTOP until a successor leads (so for longer than the TTL), then SIGCONT.
    Pause,
    /// Told to resign.
    Resign,
}

const LEADER_FAULTS: [LeaderFault; 3] = [LeaderFault::Kill, LeaderFault::Pause, LeaderFault::Resign];
const PROVIDER_FAULTS: [Fault; 4] =
    [Fault::Slow { millis: 150 }, Fault::LoseAnswer, Fault::DieBefore, Fault::DieAfter];

/// The faults of a run, spread evenly over its charges.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    leader: VecDeque<LeaderFault>,
    scripts: VecDeque<Script>,
}

impl Plan {
    /// `unpaid` is the number of charges that there will be.
    pub(super) fn new(seed: u64, rounds: u32, unpaid: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let leader = deal(&LEADER_FAULTS, rounds, &mut random);
        let provider = deal(&PROVIDER_FAULTS, rounds, &mut random);
        // Two charges of a round are the failed ones.
        let between = (unpaid / (u64::from(rounds) + 1)).saturating_sub(2);
        let scripts = provider.into_iter().map(|fault| {
            let before = random.random_range(0..=between);
            [Step { after: before, fault }, Step { after: between - before, fault: Fault::Hold }]
                .into_iter()
                .collect()
        });
        Self { seed, leader, scripts: scripts.collect() }
    }

    pub(super) fn next_fault(&mut self) -> Option<LeaderFault> {
        self.leader.pop_front()
    }

    /// What the provider does until the next fault of a leader; nothing after the last one.
    pub(super) fn next_script(&mut self) -> Script {
        self.scripts.pop_front().unwrap_or_default()
    }
}

/// The script for a round that has to be repeated: the next charge is held back.
pub(super) fn one_more() -> Script {
    [Step { after: 0, fault: Fault::Hold }].into_iter().collect()
}

/// `count` faults in which every kind comes up equally often, in no order that one could learn.
fn deal<T: Copy>(kinds: &[T], count: u32, random: &mut StdRng) -> VecDeque<T> {
    let mut dealt = VecDeque::new();
    while dealt.len() < count as usize {
        let mut kinds = kinds.to_vec();
        kinds.shuffle(random);
        dealt.extend(kinds);
    }
    dealt.truncate(count as usize);
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_plan_and_every_kind_comes_up() {
        let play = |seed| {
            let mut plan = Plan::new(seed, 6, 300);
            let scripts: Vec<_> = (0..6).map(|_| plan.next_script()).collect();
            let faults: Vec<_> = std::iter::from_fn(|| plan.next_fault()).collect();
            (faults, scripts)
        };
        assert_eq!(play(7), play(7));
        let (mut faults, _) = play(7);
        faults.sort();
        assert_eq!(
            faults,
            [
                LeaderFault::Kill,
                LeaderFault::Kill,
                LeaderFault::Pause,
                LeaderFault::Pause,
                LeaderFault::Resign,
                LeaderFault::Resign
            ]
        );
    }

    #[test]
    fn more_rounds_than_invoices_is_a_plan_too() {
        let mut plan = Plan::new(1, 5, 2);
        let mut script = plan.next_script();
        assert!(script.foresee().is_some());
        assert_eq!(script.foresee(), Some(Fault::Hold));
    }
}
