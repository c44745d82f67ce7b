//! What the candidates, the service and the world do.

use super::*;

impl EtcdQueue {
    pub(super) fn create(state: &mut State, c: usize, lease: u8) -> Answer {
        if !state.lease_stands(c, lease) {
            return Answer::LeaseGone;
        }
        if state.stands(c) {
            return Answer::Existed;
        }
        state.revision += 1;
        state.records[c] = Record { created: state.revision, ended: 0, lease };
        let (ahead, count) = state.ahead(c, state.revision);
        Answer::Created { ahead, first: count == 1 }
    }

    pub(super) fn joined(&self, state: &mut State, c: usize) -> Option<()> {
        let Phase::Joining { kept, uncertain } = state.phases[c] else { return None };
        let answer = std::mem::replace(&mut state.answers[c], Answer::None);
        let (ahead, first) = match answer {
            Answer::None => return None,
            Answer::LeaseGone if state.present_lease(c) == 1 && state.exists[state.session[c] as usize] => {
                state.asked[c] = Some(1);
                return Some(());
            }
            Answer::LeaseGone => {
                state.live[state.session[c] as usize] = false;
                state.phases[c] = Phase::Over;
                return Some(());
            }
            Answer::Created { ahead, first } => (ahead, first),
            Answer::Existed => (None, false),
        };
        state.poisoned |= uncertain && self.0 != Variant::NoPoison;
        if state.records[c].lease != state.present_lease(c) && self.0 != Variant::NoSettle {
            if !state.stands(c) {
                state.phases[c] = Phase::Over;
                return Some(());
            }
            state.records[c].lease = 1;
        }
        match (ahead, answer) {
            _ if !kept => state.leave(c),
            (_, Answer::Existed) => state.phases[c] = Phase::Looking { not_before: state.records[c].created },
            (None, _) => state.win(c),
            (Some(ahead), _) => state.phases[c] = Phase::Waiting { ahead, first },
        }
        Some(())
    }

    pub(super) fn waits(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::SeesEnd(c) => {
                let Phase::Waiting { ahead, first } = state.phases[c] else { return None };
                let (departed, own) = (state.records[ahead as usize].ended, state.records[c].ended);
                match self.0 {
                    _ if departed == 0 => return None,
                    Variant::TrustsPredecessor => state.win(c),
                    Variant::NoRecheck if first => state.win(c),
                    _ if !first => state.phases[c] = Phase::Looking { not_before: departed },
                    _ if own != 0 && own <= departed => state.phases[c] = Phase::Over,
                    _ => state.win(c),
                }
            }
            Action::Look(c, revision) => {
                let Phase::Looking { not_before } = state.phases[c] else { return None };
                if revision < not_before || revision > state.revision {
                    return None;
                }
                match state.ahead(c, revision).0 {
                    _ if !state.existed(c, revision) => state.phases[c] = Phase::Over,
                    None => state.win(c),
                    Some(ahead) => state.phases[c] = Phase::Waiting { ahead, first: false },
                }
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn joins(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Campaign(c) => {
                let again = c != 3 || state.phases[0] == Phase::Over;
                // In the scope, and, as processes are alike, in one order.
                let in_turn = match (self.1, c) {
                    (Scope::Apart, 1 | 2) => state.phases[c - 1] != Phase::Idle,
                    (Scope::Apart, other) => other == 0,
                    (Scope::Together, other) => other != 2,
                };
                if state.phases[c] != Phase::Idle || !again || !in_turn {
                    return None;
                }
                if c == 3 && state.live[0] {
                    state.session[3] = 0;
                }
                if !state.live[state.session[c] as usize] {
                    return None;
                }
                state.phases[c] = Phase::Joining { kept: true, uncertain: false };
                state.asked[c] = Some(state.present_lease(c));
            }
            Action::Create(c) => {
                let lease = state.asked[c].take()?;
                state.answers[c] = Self::create(state, c, lease);
            }
            Action::CreateLate(c) => {
                let lease = state.late[c].take()?;
                Self::create(state, c, lease);
            }
            Action::Joined(c) => self.joined(state, c)?,
            Action::TimesOut(c) => {
                let Phase::Joining { kept, .. } = state.phases[c] else { return None };
                if self.1 == Scope::Apart
                    || state.session[c] != 0
                    || state.retried
                    || state.answers[c] == Answer::LeaseGone
                {
                    return None;
                }
                state.retried = true;
                state.late[c] = state.asked[c].take();
                state.answers[c] = Answer::None;
                state.phases[c] = Phase::Joining { kept, uncertain: true };
                state.asked[c] = Some(state.present_lease(c));
            }
            Action::GivesUp(c) => {
                let Phase::Joining { uncertain: true, .. } = state.phases[c] else { return None };
                state.answers[c] = Answer::None;
                // One of the two was lost for good, or has been obeyed.
                state.late[c] = state.late[c].or(state.asked[c]);
                state.asked[c] = None;
                state.poisoned |= self.0 != Variant::NoPoison;
                state.leave(c);
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn leaves(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Cancel(c) => match state.phases[c] {
                Phase::Joining { kept: true, .. } if self.0 == Variant::CancelLeaves => {
                    state.late[c] = state.asked[c].take();
                    state.answers[c] = Answer::None;
                    state.phases[c] = Phase::Over;
                }
                Phase::Joining { kept: true, uncertain } => {
                    state.phases[c] = Phase::Joining { kept: false, uncertain };
                }
                Phase::Waiting { .. } | Phase::Looking { .. } => state.leave(c),
                _ => return None,
            },
            Action::Resign(c) if state.phases[c] == Phase::Leading => state.leave(c),
            Action::Delete(c) if state.deletes[c] > 0 => {
                state.deletes[c] -= 1;
                let hit = if self.0 == Variant::KeyUsedAgain && c == 0 && state.stands(3) { 3 } else { c };
                state.end(|_, other| other == hit);
                if state.phases[c] == Phase::Leaving {
                    state.phases[c] = Phase::Over;
                }
            }
            Action::DeleteTimesOut(c) => {
                if self.1 == Scope::Apart
                    || state.session[c] != 0
                    || state.retried
                    || state.phases[c] != Phase::Leaving
                {
                    return None;
                }
                state.retried = true;
                state.deletes[c] += 1;
            }
            Action::Notices(c) => {
                let lost = !state.live[state.session[c] as usize];
                match state.phases[c] {
                    Phase::Waiting { .. } | Phase::Looking { .. } | Phase::Leading if lost => state.leave(c),
                    Phase::Waiting { .. } | Phase::Looking { .. } | Phase::Leading if !state.stands(c) => {
                        state.phases[c] = Phase::Over;
                    }
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The session: its leases, its deadline, its end.
    pub(super) fn session(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Swap if self.1 == Scope::Together && state.swap == Swapping::NotYet => {
                if !state.live[0] || !state.exists[0] {
                    return None;
                }
                state.swap = Swapping::Moving;
                state.poisoned = false;
                for c in [0, 3] {
                    let moved = state.session[c] == 0 && state.is_in(c);
                    state.moves[c] = moved.then_some(state.records[c].created);
                }
            }
            Action::Move(c) => {
                let compared = state.moves[c].take()?;
                let same = state.stands(c) && state.records[c].created == compared;
                if state.exists[0] && same {
                    state.records[c].lease = 1;
                } else if state.exists[0] && self.0 == Variant::UnguardedMove {
                    state.revision += 1;
                    state.records[c] = Record { created: state.revision, ended: 0, lease: 1 };
                }
            }
            Action::Prove if state.swap == Swapping::Moving && state.moves == [None; N] => {
                state.swap = Swapping::Proven;
            }
            // By itself, if it is not revoked: either way.
            Action::OldLeaseEnds if state.swap == Swapping::Proven && state.old_lease => {
                state.old_lease = false;
                state.end(|state, c| state.session[c] == 0 && state.records[c].lease == 0);
            }
            Action::Lapse(s) if state.live[s] && state.exists[s] && state.lapses < LAPSES => {
                let uses = |c: usize| state.session[c] as usize == s && state.phases[c] != Phase::Idle;
                if !(0..N).any(|c| uses(c) && (c == 0 || state.phases[c] != Phase::Over)) {
                    return None;
                }
                state.live[s] = false;
                state.lapses += 1;
            }
            // What an administrator has ended is noticed by the next renewal.
            Action::Lapse(s) if state.live[s] && !state.exists[s] => state.live[s] = false,
            Action::Expire(s) if state.exists[s] && !state.live[s] => {
                state.exists[s] = false;
                state.poisoned &= s != 0;
                state.end(|state, c| state.session[c] as usize == s);
                state.old_lease &= s != 0;
            }
            Action::AdminRevokes(c) => {
                let waits = matches!(state.phases[c], Phase::Waiting { .. });
                // The second candidacy of process 0 has no session of its own to be told apart by.
                if c == 3
                    || state.revoked
                    || !waits
                    || state.ahead(c, state.revision).1 == 0
                    || !state.stands(c)
                {
                    return None;
                }
                state.revoked = true;
                state.exists[c] = false;
                state.poisoned &= c != 0;
                state.old_lease &= c != 0;
                state.end(|state, other| state.session[other] as usize == c);
            }
            _ => return None,
        }
        Some(())
    }
}
