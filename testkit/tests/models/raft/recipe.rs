//! What the candidates, the service and the world do.

use super::*;

impl RaftQueue {
    /// `State::settle`.
    pub(super) fn settle(&self, state: &mut State) {
        let Some(head) = state.head().filter(|head| state.tokens[*head] == 0) else { return };
        let token = if self.0 == Variant::TermAsToken { state.term } else { state.index };
        state.token_reused |= token <= state.highest;
        state.highest = state.highest.max(token);
        (state.tokens[head], state.news[head]) = (token, token);
    }

    pub(super) fn take(&self, state: &mut State, c: usize) {
        let seat = std::mem::replace(&mut state.seats[c], 0);
        state.tokens[c] = 0;
        if self.0 == Variant::TrustsPredecessor && seat != 0 {
            let behind = state.queue().filter(|other| state.seats[*other] > seat);
            if let Some(next) = behind.min_by_key(|other| state.seats[*other]) {
                state.news[next] = state.index;
            }
        }
    }

    pub(super) fn end_sessions(&self, state: &mut State, sessions: &[usize]) {
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

    pub(super) fn apply(&self, state: &mut State, c: usize) {
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

    pub(super) fn withdraw(&self, state: &mut State, c: usize) {
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

    pub(super) fn candidates(&self, state: &mut State, action: Action) -> Option<()> {
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

    pub(super) fn group(&self, state: &mut State, action: Action) -> Option<()> {
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
