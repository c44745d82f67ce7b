//! The queue of the Raft backend: `backend-raft/src/state_machine/state.rs`, `candidacy.rs`, `registry.rs`.
//!
//! Three candidacies in one of two scopes. *Apart*: of three sessions, of which two expire, in one entry or in two.
//! *Together*: session 0 campaigns twice beside another. In both, requests are repeated and may be applied in any
//! order and twice, an administrator removes a waiting candidacy, every candidacy may be dropped at any step, and the
//! news of a grant may come late. That there is one log is assumed; a change of the Raft leader is a change of term.
//!
//! | action | code |
//! | --- | --- |
//! | `Campaign`, `Apply` | `Candidacy::join`; `State::campaign` |
//! | `Repeat`, `RepeatWithdrawal` | `Group::call` tries again; the first one may be applied as well |
//! | `Granted`, `Gone` | `Registry::granted`, `deposed`: from an answer or from the session's watch |
//! | `Cancel`, `Resign`, `Withdraw` | the drop of `Candidacy`; `Leadership::resign`; `State::withdraw` |
//! | `Lapse`, `Expire`, `ExpireBoth`, `Notices` | the deadline passes here; `State::end_sessions`; it is known here |
//! | `Remove` | `State::remove` |
//! | `Elect` | the term grows |

use stateright::{Model, Property};

use crate::check::{breaks, holds};

/// Candidacies: 0 and 3 are of session 0.
const N: usize = 4;
const SESSION: [usize; N] = [0, 1, 2, 0];
const LAPSES: u8 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// The token is the term.
    TermAsToken,
    /// When several sessions end in one entry, each one's seats are granted anew before the next one ends.
    GrantsInBetween,
    /// A withdrawal of what is not in the queue leaves no trace.
    NoBurial,
    /// A withdrawal names the session and not the candidacy.
    WithdrawsBySession,
    /// A dropped campaign forgets the request that is on its way.
    CancelLeaves,
    /// A waiter leads when the one that it saw ahead is gone.
    TrustsPredecessor,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Apart,
    Together,
}

#[derive(Clone)]
struct RaftQueue(Variant, Scope);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Waiting,
    Leading,
    Leaving,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Of the log.
    index: u8,
    term: u8,
    phases: [Phase; N],
    /// The replicated state: the index of the entry that queued it, its token; 0 is none.
    seats: [u8; N],
    tokens: [u8; N],
    buried: [bool; N],
    exists: [bool; 3],
    live: [bool; 3],
    /// Requests on their way.
    campaigns: [u8; N],
    withdrawals: [u8; N],
    /// The news of a grant, or of the end of the one ahead, that has not been heard of.
    news: [u8; N],
    lapses: u8,
    repeated: bool,
    removed: bool,
    highest: u8,
    token_reused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Campaign(usize),
    Apply(usize),
    Repeat(usize),
    Granted(usize),
    Gone(usize),
    Cancel(usize),
    Resign(usize),
    Withdraw(usize),
    RepeatWithdrawal(usize),
    Notices(usize),
    Lapse(usize),
    Expire(usize),
    ExpireBoth(usize, usize),
    Remove(usize),
    Elect,
}

impl State {
    fn stands(&self, c: usize) -> bool {
        self.seats[c] != 0
    }

    fn queue(&self) -> impl Iterator<Item = usize> + '_ {
        (0..N).filter(|c| self.stands(*c))
    }

    fn head(&self) -> Option<usize> {
        self.queue().min_by_key(|c| self.seats[*c])
    }

    fn claims(&self, c: usize) -> bool {
        self.phases[c] == Phase::Leading && self.live[SESSION[c]]
    }

    fn is_in(&self, c: usize) -> bool {
        matches!(self.phases[c], Phase::Waiting | Phase::Leading)
    }

    fn leave(&mut self, c: usize) {
        self.phases[c] = Phase::Leaving;
        self.withdrawals[c] += 1;
    }

    fn quiet(&self) -> bool {
        let still = |c: usize| {
            self.phases[c] != Phase::Leaving
                && self.campaigns[c] == 0
                && self.withdrawals[c] == 0
                && self.news[c] == 0
        };
        (0..N).all(still) && self.live == self.exists
    }

    /// Numbers the log without gaps: only the order counts.
    fn tidy(mut self) -> Self {
        let used =
            self.seats.iter().chain(&self.tokens).chain(&self.news).chain([&self.index, &self.highest]);
        let used = used.fold(1u32, |used, index| used | 1 << index);
        let rank = |index: &mut u8| *index = (used & ((1 << *index) - 1)).count_ones() as u8;
        let numbers = self.seats.iter_mut().chain(&mut self.tokens).chain(&mut self.news);
        numbers.chain([&mut self.index, &mut self.highest]).for_each(rank);
        self
    }
}

impl RaftQueue {
    /// `State::settle`.
    fn settle(&self, state: &mut State) {
        let Some(head) = state.head().filter(|head| state.tokens[*head] == 0) else { return };
        let token = if self.0 == Variant::TermAsToken { state.term } else { state.index };
        state.token_reused |= token <= state.highest;
        state.highest = state.highest.max(token);
        (state.tokens[head], state.news[head]) = (token, token);
    }

    fn take(&self, state: &mut State, c: usize) {
        let seat = std::mem::replace(&mut state.seats[c], 0);
        state.tokens[c] = 0;
        if self.0 == Variant::TrustsPredecessor && seat != 0 {
            let behind = state.queue().filter(|other| state.seats[*other] > seat);
            if let Some(next) = behind.min_by_key(|other| state.seats[*other]) {
                state.news[next] = state.index;
            }
        }
    }

    fn end_sessions(&self, state: &mut State, sessions: &[usize]) {
        for session in sessions {
            state.exists[*session] = false;
            for c in (0..N).filter(|c| SESSION[*c] == *session) {
                self.take(state, c);
            }
            if self.0 == Variant::GrantsInBetween {
                self.settle(state);
            }
        }
        self.settle(state);
    }

    fn apply(&self, state: &mut State, c: usize) {
        state.index += 1;
        if !state.exists[SESSION[c]] {
            if state.phases[c] == Phase::Waiting {
                state.live[SESSION[c]] = false;
            }
        } else if !state.stands(c) && !state.buried[c] {
            state.seats[c] = state.index;
            self.settle(state);
        }
    }

    fn withdraw(&self, state: &mut State, c: usize) {
        state.index += 1;
        let hit = match self.0 {
            Variant::WithdrawsBySession => {
                state.queue().find(|other| SESSION[*other] == SESSION[c]).unwrap_or(c)
            }
            _ => c,
        };
        state.buried[c] |= self.0 != Variant::NoBurial || state.stands(c);
        self.take(state, hit);
        self.settle(state);
    }

    fn candidates(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Campaign(c) => {
                // As sessions are alike, in one order.
                let in_turn = match (self.1, c) {
                    (Scope::Apart, 1 | 2) => state.phases[c - 1] != Phase::Idle,
                    (Scope::Together, 3) => state.phases[0] == Phase::Over,
                    (Scope::Apart, other) => other == 0,
                    (Scope::Together, other) => other != 2,
                };
                if state.phases[c] != Phase::Idle || !in_turn || !state.live[SESSION[c]] {
                    return None;
                }
                state.phases[c] = Phase::Waiting;
                state.campaigns[c] = 1;
            }
            Action::Repeat(c) if state.phases[c] == Phase::Waiting && !state.repeated => {
                state.repeated = true;
                state.campaigns[c] += 1;
            }
            Action::RepeatWithdrawal(c) if state.phases[c] == Phase::Leaving && !state.repeated => {
                state.repeated = true;
                state.withdrawals[c] += 1;
            }
            Action::Granted(c) if state.news[c] != 0 => {
                state.news[c] = 0;
                if state.phases[c] == Phase::Waiting && state.live[SESSION[c]] {
                    state.phases[c] = Phase::Leading;
                } else if state.phases[c] == Phase::Waiting {
                    state.leave(c);
                }
            }
            // The watch tells of a grant before it tells of the end.
            Action::Gone(c) if state.is_in(c) && state.buried[c] && state.news[c] == 0 => {
                state.phases[c] = Phase::Over;
            }
            Action::Cancel(c) if state.phases[c] == Phase::Waiting => match self.0 {
                Variant::CancelLeaves => state.phases[c] = Phase::Over,
                _ => state.leave(c),
            },
            Action::Resign(c) if state.phases[c] == Phase::Leading => state.leave(c),
            Action::Notices(c) if state.is_in(c) && !state.live[SESSION[c]] => state.leave(c),
            _ => return None,
        }
        Some(())
    }

    fn group(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Apply(c) if state.campaigns[c] > 0 => {
                state.campaigns[c] -= 1;
                self.apply(state, c);
            }
            Action::Withdraw(c) if state.withdrawals[c] > 0 => {
                state.withdrawals[c] -= 1;
                self.withdraw(state, c);
                if state.phases[c] == Phase::Leaving {
                    state.phases[c] = Phase::Over;
                }
            }
            Action::Lapse(s) if state.live[s] && state.lapses < LAPSES => {
                let busy =
                    |c: usize| SESSION[c] == s && !matches!(state.phases[c], Phase::Idle | Phase::Over);
                if !(0..N).any(busy) {
                    return None;
                }
                state.live[s] = false;
                state.lapses += 1;
            }
            Action::Expire(s) if state.exists[s] && !state.live[s] => {
                state.index += 1;
                self.end_sessions(state, &[s]);
            }
            Action::ExpireBoth(s, t) if [s, t].iter().all(|s| state.exists[*s] && !state.live[*s]) => {
                state.index += 1;
                self.end_sessions(state, &[s, t]);
            }
            Action::Remove(c) if !state.removed && state.stands(c) && state.head() != Some(c) => {
                state.removed = true;
                state.index += 1;
                state.buried[c] = true;
                self.take(state, c);
                self.settle(state);
            }
            Action::Elect if self.0 == Variant::TermAsToken && state.term == 1 => state.term = 2,
            _ => return None,
        }
        Some(())
    }
}

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
    holds("raft queue, apart", RaftQueue(Variant::Recipe, Scope::Apart), 10_000);
    holds("raft queue, together", RaftQueue(Variant::Recipe, Scope::Together), 10_000);
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
