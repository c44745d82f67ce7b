//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

impl Model for EtcdQueue {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            revision: 0,
            phases: [Phase::Idle; N],
            records: [Record::default(); N],
            asked: [None; N],
            late: [None; N],
            answers: [Answer::None; N],
            deletes: [0; N],
            moves: [None; N],
            session: [0, 1, 2, 3],
            live: [true; N],
            exists: [true; N],
            swap: Swapping::NotYet,
            old_lease: true,
            poisoned: false,
            lapses: 0,
            revoked: false,
            retried: false,
            highest: 0,
            token_reused: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([Swap, Prove, OldLeaseEnds]);
        for c in 0..N {
            match state.phases[c] {
                Phase::Idle => actions.push(Campaign(c)),
                Phase::Joining { .. } => {
                    actions.extend([Create(c), Joined(c), TimesOut(c), GivesUp(c), Cancel(c)])
                }
                Phase::Waiting { .. } => actions.extend([SeesEnd(c), Cancel(c), Notices(c), AdminRevokes(c)]),
                Phase::Looking { .. } => {
                    actions.extend([Cancel(c), Notices(c)]);
                    actions.extend((0..=state.revision).map(|revision| Look(c, revision)));
                }
                Phase::Leading => actions.extend([Resign(c), Notices(c)]),
                Phase::Leaving => actions.push(DeleteTimesOut(c)),
                Phase::Over => {}
            }
            actions.extend([CreateLate(c), Delete(c), Move(c), Lapse(c), Expire(c)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Campaign(_)
            | Action::Create(_)
            | Action::CreateLate(_)
            | Action::Joined(_)
            | Action::TimesOut(_)
            | Action::GivesUp(_) => self.joins(&mut state, action)?,
            Action::SeesEnd(_) | Action::Look(..) => self.waits(&mut state, action)?,
            Action::Cancel(_)
            | Action::Resign(_)
            | Action::Delete(_)
            | Action::DeleteTimesOut(_)
            | Action::Notices(_) => self.leaves(&mut state, action)?,
            _ => self.session(&mut state, action)?,
        }
        Some(state.tidy())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(S1, |_: &Self, state: &State| (0..N).filter(|c| state.claims(*c)).count() <= 1),
            Property::always("S2: tokens increase", |_: &Self, state: &State| !state.token_reused),
            Property::always(L3, |_: &Self, state: &State| {
                !state.quiet() || (0..N).all(|c| !state.stands(c) || state.is_in(c))
            }),
            Property::always(L5, |_: &Self, state: &State| {
                let first = |c| state.stands(c) && state.ahead(c, state.revision).1 == 0;
                (0..N).all(|c| !state.claims(c) || first(c))
            }),
            Property::sometimes(
                "a leader sleeps past its deadline while another leads",
                |_: &Self, state: &State| (0..N).filter(|c| state.phases[*c] == Phase::Leading).count() == 2,
            ),
        ];
        match self.1 {
            Scope::Apart => {
                properties.push(Property::sometimes(
                    "a claim after two expiries",
                    |_: &Self, state: &State| {
                        state.lapses == LAPSES
                            && state.live == state.exists
                            && (0..N).any(|c| state.claims(c))
                    },
                ));
            }
            Scope::Together => properties.extend([
                Property::sometimes("a request is obeyed late, and undone", |_: &Self, state: &State| {
                    state.quiet() && state.retried && state.swap == Swapping::Proven && state.exists[0]
                }),
                Property::sometimes(
                    "a claim after all that can happen, in one history",
                    |_: &Self, state: &State| {
                        let all = state.lapses == LAPSES && state.revoked && state.retried;
                        all && state.swap == Swapping::Proven && (0..N).any(|c| state.claims(c))
                    },
                ),
                Property::sometimes("the same process leads again", |_: &Self, state: &State| {
                    state.claims(3) && state.session[3] == 0
                }),
            ]),
        }
        properties
    }
}

const S1: &str = "S1: at most one valid claim";
const L3: &str = "L3: nothing is left behind once all is quiet";
const L5: &str = "L5: a valid claim stands on a record, the first one";

#[test]
fn the_queue_holds() {
    holds("etcd queue, apart", EtcdQueue(Variant::Recipe, Scope::Apart), 150_000);
    holds("etcd queue, together", EtcdQueue(Variant::Recipe, Scope::Together), 500_000);
}

#[test]
fn naive_queues_are_caught() {
    let apart = |name, variant, property| breaks(name, EtcdQueue(variant, Scope::Apart), property);
    apart("etcd, no look at the own record after the wait", Variant::NoRecheck, L5);
    apart("etcd, the predecessor's end taken for election", Variant::TrustsPredecessor, S1);
    apart("etcd, a request left behind on cancel", Variant::CancelLeaves, L3);
    let together = |name, variant, property| breaks(name, EtcdQueue(variant, Scope::Together), property);
    together("etcd, no new lease after a lost answer", Variant::NoPoison, L3);
    together("etcd, joined on the old lease", Variant::NoSettle, L5);
    together("etcd, unguarded move", Variant::UnguardedMove, L3);
    together("etcd, a key that is used again", Variant::KeyUsedAgain, L5);
}
