//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

impl Model for ZkProof {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            session: Some(TTL),
            leader: Leader::Awake,
            up: Vec::new(),
            down: Vec::new(),
            touched: false,
            // Its creation is a committed write, and the first renewal.
            left: TTL,
            renewal: Renewal::None,
            sent: 0,
            answered: 0,
            failovers: 0,
            sleeps: 0,
            reconnects: 0,
            proven: false,
            synced_twice: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([
            Tick, Begin, Follower, Leader, Ping, Sleep, Wake, ClientPing, Expire, Reconnect, Failover,
        ]);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.tick()?,
            Action::Begin => self.begin(&mut state)?,
            Action::Follower => self.follower(&mut state)?,
            Action::Leader => Self::leader(&mut state)?,
            Action::ClientPing => {
                state.touched = true;
                if self.0 == Proof::PingsTrusted && state.left > 0 {
                    state.left = TTL;
                }
            }
            _ => Self::faults(&mut state, action)?,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STANDS, |_: &Self, state: &State| state.left == 0 || state.session.is_some()),
            Property::sometimes("a proven renewal", |_: &Self, state: &State| state.proven),
            Property::sometimes("a renewal proven after a failover", |_: &Self, state: &State| {
                state.failovers == 1 && state.left == TTL - 1 && state.renewal == Renewal::None
            }),
            Property::sometimes("a second sync", |_: &Self, state: &State| state.synced_twice),
            Property::sometimes(
                "a session that expires while its writes are on their way",
                |_: &Self, state: &State| state.session.is_none() && state.renewal != Renewal::None,
            ),
            Property::sometimes("a leader that was stopped", |_: &Self, state: &State| {
                matches!(state.leader, Leader::Owes { .. })
            }),
        ]
    }
}

const STANDS: &str = "S1: while the deadline lasts, the session lives";

#[test]
fn one_renewal_behind_is_proof() {
    holds("zookeeper, one renewal behind", ZkProof(Proof::OneBehind), 200_000);
}

#[test]
fn naive_proofs_are_caught() {
    breaks("zookeeper, pings trusted", ZkProof(Proof::PingsTrusted), STANDS);
    breaks("zookeeper, until the client says expired", ZkProof(Proof::ClientsExpired), STANDS);
    breaks("zookeeper, a write proves itself", ZkProof(Proof::NotBehind), STANDS);
    breaks("zookeeper, no gap between renewals", ZkProof(Proof::NoGap), STANDS);
    breaks("zookeeper, no sync before the write", ZkProof(Proof::NoSync), STANDS);
    breaks("zookeeper, a slow sync is not repeated", ZkProof(Proof::OneSync), STANDS);
}
