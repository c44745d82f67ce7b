//! The laws of a fence, over every gate; and planted defects, to show that the laws can fail.

use std::collections::HashMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

#[cfg(feature = "sqlite")]
mod sql;

fn name(name: &str) -> ElectionName {
    ElectionName::new(name).unwrap()
}

const fn token(value: u64) -> FencingToken {
    FencingToken::new(value)
}

/// One law, in the order of its story: what is offered, and whether it must be admitted.
const STORY: &[(&str, u64, bool)] = &[
    ("billing", 7, true),    // the first token seen, whatever it is
    ("billing", 7, true),    // the same leader again
    ("billing", 6, false),   // a leader of the past
    ("billing", 40, true),   // a successor; tokens have gaps
    ("billing", 7, false),   // the predecessor wakes up
    ("billing", 40, true),   // the successor is not disturbed by it
    ("billing-2", 3, true),  // another election, though its name begins like the first
    ("billing", 39, false),  // and the first keeps its own mark
    ("billing-2", 2, false), //
];

/// Where a gate deviates from the story.
fn deviation(gate: &mut dyn FenceGate) -> Option<usize> {
    let mut highest = HashMap::<&str, u64>::new();
    STORY.iter().position(|&(election, value, admitted)| {
        let outcome = gate.admit(&name(election), token(value));
        let seen = highest.entry(election).or_default();
        *seen = (*seen).max(value);
        let told = outcome.as_ref().err().and_then(Fenced::cause_of);
        let right = if admitted {
            outcome.is_ok()
        } else {
            told == Some(Fenced { token: token(value), highest: token(*seen) })
        };
        !right || gate.highest(&name(election)).unwrap() != Some(token(*seen))
    })
}

#[test]
fn the_gate_in_memory_keeps_the_laws() {
    assert_eq!(deviation(&mut MemoryGate::default()), None);
}

#[test]
fn a_refusal_is_not_leader_not_retryable_and_says_both_tokens() {
    let mut gate = MemoryGate::default();
    gate.admit(&name("billing"), token(9)).unwrap();
    let error = gate.admit(&name("billing"), token(8)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotLeader);
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("token 8 is below 9"), "{error}");
    assert_eq!(Fenced::cause_of(&Error::new(Kind::NotLeader, Operation::Fence)), None);
}

/// Planted: "not the one I know" instead of "below the highest I know".
#[derive(Default)]
struct UnequalGate(MemoryGate);

impl FenceGate for UnequalGate {
    fn admit(&mut self, election: &ElectionName, token: FencingToken) -> Result<()> {
        match self.0.highest(election)? {
            Some(highest) if token != highest => Err(Fenced { token, highest }.into()),
            _ => self.0.admit(election, token),
        }
    }

    fn highest(&mut self, election: &ElectionName) -> Result<Option<FencingToken>> {
        self.0.highest(election)
    }
}

/// Planted: one mark for all elections.
#[derive(Default)]
struct SharedGate(MemoryGate);

impl FenceGate for SharedGate {
    fn admit(&mut self, _: &ElectionName, token: FencingToken) -> Result<()> {
        self.0.admit(&name("all"), token)
    }

    fn highest(&mut self, _: &ElectionName) -> Result<Option<FencingToken>> {
        self.0.highest(&name("all"))
    }
}

/// Planted: remembers the last token, not the highest.
#[derive(Default)]
struct ForgetfulGate(HashMap<ElectionName, FencingToken>);

impl FenceGate for ForgetfulGate {
    fn admit(&mut self, election: &ElectionName, token: FencingToken) -> Result<()> {
        match self.0.insert(election.clone(), token) {
            Some(highest) if token < highest => Err(Fenced { token, highest }.into()),
            _ => Ok(()),
        }
    }

    fn highest(&mut self, election: &ElectionName) -> Result<Option<FencingToken>> {
        Ok(self.0.get(election).copied())
    }
}

#[test]
fn the_laws_find_planted_defects() {
    // The place in the story where each is found out.
    assert_eq!(deviation(&mut UnequalGate::default()), Some(3));
    assert_eq!(deviation(&mut SharedGate::default()), Some(6));
    assert_eq!(deviation(&mut ForgetfulGate::default()), Some(2));
}

/// What was written: by which token, in the order of the writes.
fn out_of_order(writes: &[u64]) -> Option<(u64, u64)> {
    writes.windows(2).find(|pair| pair[0] > pair[1]).map(|pair| (pair[0], pair[1]))
}

#[test]
fn threads_behind_one_lock_never_write_out_of_order() {
    let data = Mutex::new((MemoryGate::default(), Vec::new()));
    std::thread::scope(|threads| {
        for first in 0..4 {
            let data = &data;
            threads.spawn(move || {
                for value in (first..2000).step_by(4) {
                    let (gate, writes) = &mut *data.lock().unwrap();
                    if gate.admit(&name("billing"), token(value)).is_ok() {
                        writes.push(value);
                    }
                }
            });
        }
    });
    let (mut gate, writes) = data.into_inner().unwrap();
    assert_eq!(out_of_order(&writes), None);
    assert_eq!(gate.highest(&name("billing")).unwrap(), Some(token(1999)));
}

proptest! {
    #[test]
    fn the_gate_in_memory_agrees_with_the_model(
        offers in prop::collection::vec((0..3_u8, prop_oneof![0..8_u64, any::<u64>()]), 0..60)
    ) {
        let mut gate = MemoryGate::default();
        let mut model = HashMap::<u8, u64>::new();
        for (election, value) in offers {
            let highest = model.get(&election).copied();
            let expected = highest.is_none_or(|highest| value >= highest);
            let election_name = name(&format!("e{election}"));
            prop_assert_eq!(gate.admit(&election_name, token(value)).is_ok(), expected);
            if expected {
                model.insert(election, value);
            }
            prop_assert_eq!(gate.highest(&election_name).unwrap().map(FencingToken::get), model.get(&election).copied());
        }
    }
}
