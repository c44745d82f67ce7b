//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

impl Model for RaftQueue {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            index: 0,
            term: 1,
            phases: [Phase::Idle; N],
            seats: [0; N],
            tokens: [0; N],
            buried: [false; N],
            exists: [true; 3],
            live: [true; 3],
            campaigns: [0; N],
            withdrawals: [0; N],
            news: [0; N],
            lapses: 0,
            repeated: false,
            removed: false,
            highest: 0,
            token_reused: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.push(Elect);
        for c in 0..N {
            actions.extend([Campaign(c), Apply(c), Repeat(c), Granted(c), Gone(c), Cancel(c), Resign(c)]);
            actions.extend([Withdraw(c), RepeatWithdrawal(c), Notices(c), Remove(c)]);
        }
        for s in 0..3 {
            actions.extend([Lapse(s), Expire(s)]);
            actions.extend((0..3).filter(|t| *t != s).map(|t| ExpireBoth(s, t)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Apply(_)
            | Action::Withdraw(_)
            | Action::Lapse(_)
            | Action::Expire(_)
            | Action::ExpireBoth(..)
            | Action::Remove(_)
            | Action::Elect => self.group(&mut state, action)?,
            _ => self.candidates(&mut state, action)?,
        }
        // Terms are not numbers of the log.
        Some(if self.0 == Variant::TermAsToken { state } else { state.tidy() })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(S1, |_: &Self, state: &State| (0..N).filter(|c| state.claims(*c)).count() <= 1),
            Property::always(S2, |_: &Self, state: &State| !state.token_reused),
            Property::always(L3, |_: &Self, state: &State| {
                !state.quiet() || state.queue().all(|c| state.is_in(c))
            }),
            Property::always(L5, |_: &Self, state: &State| {
                (0..N).all(|c| !state.claims(c) || state.head() == Some(c))
            }),
            Property::sometimes(
                "a leader sleeps past its deadline while another leads",
                |_: &Self, state: &State| (0..N).filter(|c| state.phases[*c] == Phase::Leading).count() == 2,
            ),
            Property::sometimes("a withdrawal overtakes its campaign", |_: &Self, state: &State| {
                (0..N).any(|c| state.buried[c] && state.campaigns[c] > 0)
            }),
        ];
        properties.push(match self.1 {
            Scope::Apart => Property::sometimes("a claim after two expiries", |_: &Self, state: &State| {
                state.lapses == LAPSES && state.live == state.exists && (0..N).any(|c| state.claims(c))
            }),
            Scope::Together => {
                Property::sometimes("the same session leads again", |_: &Self, state: &State| state.claims(3))
            }
        });
        properties
    }
}

const S1: &str = "S1: at most one valid claim";
const S2: &str = "S2: tokens increase";
const L3: &str = "L3: nothing is left behind once all is quiet";
const L5: &str = "L5: a valid claim stands on a record, the first one";

#[test]
fn the_queue_holds() {
    holds("raft queue, apart", RaftQueue(Variant::Recipe, Scope::Apart), 300_000);
    holds("raft queue, together", RaftQueue(Variant::Recipe, Scope::Together), 40_000);
}

#[test]
fn naive_queues_are_caught() {
    let apart = |name, variant, property| breaks(name, RaftQueue(variant, Scope::Apart), property);
    apart("raft, the term as token", Variant::TermAsToken, S2);
    apart("raft, grants between the ends of one entry", Variant::GrantsInBetween, S2);
    apart("raft, no burial", Variant::NoBurial, L3);
    apart("raft, a request left behind on cancel", Variant::CancelLeaves, L3);
    apart("raft, the predecessor's end taken for election", Variant::TrustsPredecessor, S1);
    let together = |name, variant, property| breaks(name, RaftQueue(variant, Scope::Together), property);
    together("raft, a withdrawal by session", Variant::WithdrawsBySession, L5);
}
