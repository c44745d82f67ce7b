//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

impl Model for ZkQueue {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            revision: 0,
            sequence: 0,
            phases: [Phase::Idle; N],
            nodes: [[Node::default(); 2]; N],
            own: [0; N],
            sent: [false; N],
            answered: [false; N],
            late: [false; N],
            seen: [0; N],
            live: [true; N],
            exists: [true; N],
            lapses: 0,
            disconnects: 0,
            expired_by_admin: false,
            parent_removed: false,
            highest: 0,
            token_reused: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.push(RemoveParent);
        for c in 0..N {
            actions.extend([Campaign(c), Create(c), Created(c), Disconnect(c), Late(c), Dropped(c), Find(c)]);
            actions.extend([SeesEnd(c), Cancel(c), Resign(c), Delete(c), Notices(c)]);
            actions.extend([Lapse(c), Expire(c), AdminExpires(c)]);
            actions.extend((state.seen[c]..=state.revision).map(|revision| List(c, revision)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Lapse(_) | Action::Expire(_) | Action::AdminExpires(_) | Action::RemoveParent => {
                Self::sessions(&mut state, action)?;
            }
            Action::List(..)
            | Action::SeesEnd(_)
            | Action::Cancel(_)
            | Action::Resign(_)
            | Action::Delete(_)
            | Action::Notices(_) => self.waits(&mut state, action)?,
            _ => self.creates(&mut state, action)?,
        }
        if self.0 == Variant::SequenceAsToken {
            return Some(state);
        }
        // Nobody looks at them.
        state.sequence = state.sequence.min(1);
        state.nodes.as_flattened_mut().iter_mut().for_each(|node| node.sequence = 0);
        Some(state.tidy())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1, |_: &Self, state: &State| (0..N).filter(|c| state.claims(*c)).count() <= 1),
            Property::always(S2, |_: &Self, state: &State| !state.token_reused),
            Property::always(L3, |_: &Self, state: &State| {
                let left = |c: usize| {
                    let nodes = state.nodes[c].iter().filter(|node| node.existed(state.revision)).count();
                    nodes > usize::from(state.is_in(c))
                };
                !state.quiet() || !(0..N).any(left)
            }),
            Property::always(L5, |_: &Self, state: &State| {
                let first = |c| state.stands(c) && state.ahead(c, state.revision).is_none();
                (0..N).all(|c| !state.claims(c) || first(c))
            }),
            Property::sometimes("a claim after two expiries", |_: &Self, state: &State| {
                state.lapses == LAPSES && state.live == state.exists && (0..N).any(|c| state.claims(c))
            }),
            Property::sometimes(
                "a leader sleeps past its deadline while another leads",
                |_: &Self, state: &State| (0..N).filter(|c| state.phases[*c] == Phase::Leading).count() == 2,
            ),
            Property::sometimes("a claim on the node of a lost reply", |_: &Self, state: &State| {
                state.disconnects > 0 && state.claims(0) && state.nodes[0][0].created == 1
            }),
            Property::sometimes("a claim after the parent was removed", |_: &Self, state: &State| {
                state.parent_removed && (0..N).any(|c| state.claims(c))
            }),
        ]
    }
}

const S1: &str = "S1: at most one valid claim";
const S2: &str = "S2: tokens increase";
const L3: &str = "L3: nothing is left behind once all is quiet";
const L5: &str = "L5: a valid claim stands on a record, the first one";

#[test]
fn the_queue_holds() {
    holds("zookeeper queue", ZkQueue(Variant::Recipe), 1_000_000);
}

#[test]
fn naive_queues_are_caught() {
    let naive = |name, variant, property| breaks(name, ZkQueue(variant), property);
    naive("zookeeper, no list after the wait", Variant::NoRecheck, L5);
    naive("zookeeper, a second node after a lost reply", Variant::NoFind, L3);
    naive("zookeeper, looking for the node without a sync", Variant::FindWithoutSync, L3);
    naive("zookeeper, a request left behind on cancel", Variant::CancelLeaves, L3);
    naive("zookeeper, the sequence as token", Variant::SequenceAsToken, S2);
    naive("zookeeper, a resign that removes the first", Variant::RemovesTheFirst, L5);
}
