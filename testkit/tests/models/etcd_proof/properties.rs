//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

impl Model for EtcdProof {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut leases = [None; LEASES];
        leases[0] = Some(Lease { left: TTL, deposed: None });
        vec![State {
            term: 1,
            leases,
            present: 0,
            record: Some(0),
            left: TTL,
            renewal: Renewal::None,
            revoking: [false; LEASES],
            proven_after_failover: false,
            fooled: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([Tick, Failover, Begin, AtLeader, AtDeposed, Verify, Commit]);
        actions.extend([Verified { seen: 1 }, Verified { seen: 2 }, Grant, Move, Moved, Prove, GiveUp]);
        (0..LEASES as u8)
            .for_each(|lease| actions.extend([Revoke(lease), Expire(lease), DeposedRevokes(lease)]));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin => {
                if state.renewal != Renewal::None || state.left == 0 {
                    return None;
                }
                state.renewal =
                    if self.swaps() { Renewal::Granting { age: 0 } } else { Renewal::KeepAlive { age: 0 } };
            }
            Action::GiveUp => {
                if std::mem::replace(&mut state.renewal, Renewal::None) == Renewal::None {
                    return None;
                }
            }
            Action::Tick
            | Action::Failover
            | Action::Revoke(_)
            | Action::Expire(_)
            | Action::DeposedRevokes(_) => self.outside(&mut state, action)?,
            _ if self.swaps() => self.swap(&mut state, action)?,
            _ => self.keep_alive(&mut state, action)?,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(STANDS, |_: &Self, state: &State| state.left == 0 || state.record.is_some()),
            Property::sometimes("a renewal proven after a failover", |_: &Self, state: &State| {
                state.proven_after_failover
            }),
            Property::sometimes("a session that expires", |_: &Self, state: &State| state.record.is_none()),
            Property::sometimes("a record that outlives the claim", |_: &Self, state: &State| {
                state.left == 0 && state.record.is_some()
            }),
        ];
        if !self.swaps() {
            let fooled = |_: &Self, state: &State| state.fooled;
            properties.push(Property::sometimes("a deposed leader answers a keep-alive", fooled));
        }
        properties
    }
}

const STANDS: &str = "S1: while the deadline lasts, the record stands";

#[test]
fn the_proofs_hold_where_they_are_used() {
    holds(
        "etcd, keep-alive on servers with the fix",
        EtcdProof { proof: Proof::KeepAlive, fixed: true },
        1_000,
    );
    for fixed in [false, true] {
        holds("etcd, swap", EtcdProof { proof: Proof::Swap, fixed }, 50_000);
    }
}

#[test]
fn naive_proofs_are_caught() {
    let naive = |name, proof, fixed| breaks(name, EtcdProof { proof, fixed }, STANDS);
    naive("etcd, keep-alive on servers without the fix", Proof::KeepAlive, false);
    naive("etcd, keep-alive answers trusted", Proof::KeepAliveTrusted, true);
    naive("etcd, terms not compared", Proof::KeepAliveWithoutTerm, true);
    naive("etcd, a granted lease taken for proof", Proof::SwapProvenByGrant, true);
    naive("etcd, the deadline counted from the move", Proof::SwapCountsFromMove, true);
    naive("etcd, the old lease revoked first", Proof::SwapRevokesFirst, true);
}
