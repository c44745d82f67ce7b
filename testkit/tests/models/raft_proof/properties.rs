//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

impl Model for RaftProof {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            leader: 0,
            alive: true,
            offices: [Office::Held { left: TTL, expiring: false }, Office::Out],
            pending: [false; 2],
            heard: [0; 2],
            forgetful: false,
            left: TTL,
            promised: 0,
            renewal: Renewal::None,
            leaves: 0,
            proven_by_new: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([Tick, Send, Confirm, Renew, Proven, GiveUp]);
        actions.extend([Elect { inherits: false }, Elect { inherits: true }]);
        if self.reads_lease() {
            actions.extend([Heartbeat, Restart]);
        }
        (0..2).for_each(|n| actions.extend([Arrive(n), Mark(n), Propose(n), Commit(n), Leave(n), Take(n)]));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => Self::tick(&mut state),
            Action::Heartbeat => {
                state.heard[state.leader as usize] = 0;
                state.forgetful = false;
            }
            Action::Restart => state.forgetful = true,
            Action::Elect { inherits } => self.elect(&mut state, inherits)?,
            Action::Mark(_) | Action::Propose(_) | Action::Commit(_) | Action::Leave(_) | Action::Take(_) => {
                self.office(&mut state, action)?;
            }
            _ => self.renewal(&mut state, action)?,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STANDS, |_: &Self, state: &State| state.left == 0 || state.alive),
            Property::always(KEPT, |_: &Self, state: &State| state.promised == 0 || state.alive),
            Property::sometimes("a renewal proven by the new leader", |_: &Self, state: &State| {
                state.proven_by_new
            }),
            Property::sometimes("a session that expires", |_: &Self, state: &State| !state.alive),
            Property::sometimes("two leaders serve", |_: &Self, state: &State| {
                state.offices.iter().all(|office| *office != Office::Out)
            }),
            Property::sometimes("the end of a session is left in the log", |_: &Self, state: &State| {
                state.pending[0] && state.offices[0] == Office::Out
            }),
        ]
    }
}

const STANDS: &str = "S1: while the deadline lasts, the session lives";
/// More than S1 needs: a leader marks a session only after its deadline has passed at the client, who then believes no
/// answer that comes later.
const KEPT: &str = "a session lives as long as the answer to a renewal has promised";

#[test]
fn a_confirmed_renewal_is_proof() {
    holds("raft, renewals confirmed by a quorum", RaftProof(Variant::Recipe), 20_000);
    // Not what is done here; it shows what the embargo on votes is worth to it.
    holds("raft, leader's lease with an embargo on votes", RaftProof(Variant::LeaseRead), 20_000);
}

#[test]
fn naive_proofs_are_caught() {
    breaks("raft, renewals not confirmed", RaftProof(Variant::Unconfirmed), STANDS);
    breaks(
        "raft, leader's lease, votes right after a restart",
        RaftProof(Variant::LeaseReadVotesAtOnce),
        STANDS,
    );
    breaks("raft, no full TTL under a new leader", RaftProof(Variant::NoFullTtl), STANDS);
    breaks("raft, office taken by a round alone", RaftProof(Variant::SettledByRound), KEPT);
    breaks("raft, renewed while expiring", RaftProof(Variant::RenewsExpiring), KEPT);
}
