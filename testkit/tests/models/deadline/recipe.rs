//! What the candidates, the service and the world do.

use super::*;

impl Deadline {
    pub(super) fn claims(&self, process: &Process) -> bool {
        match process.role {
            Role::Leading { left, .. } => left > 0 || self.0 == Variant::TimerFlag,
            _ => false,
        }
    }

    pub(super) fn validity(&self, age: i8) -> i8 {
        let whole = if self.0 == Variant::NoDrift { TTL } else { VALIDITY };
        if self.0 == Variant::FromReceipt { whole } else { (whole - age).max(0) }
    }

    /// Timers are never late, but for pauses.
    pub(super) fn timer_is_due(&self, state: &State) -> bool {
        let due = |p: &Process| !p.paused && matches!(p.role, Role::Leading { left: 0, .. });
        self.0 == Variant::TimerFlag && state.processes.iter().any(due)
    }

    pub(super) fn tick(&self, state: &mut State) -> Option<()> {
        if self.timer_is_due(state) {
            return None;
        }
        if let Some(seat) = &mut state.seat {
            seat.idle = (seat.idle + SERVICE).min(TTL);
        }
        for (process, clock) in state.processes.iter_mut().zip(CLOCKS) {
            if self.0 == Variant::StandsStill && process.paused {
                continue;
            }
            match &mut process.role {
                Role::Asking { age } | Role::Granted { age, .. } => *age = (*age + clock).min(TTL),
                Role::Leading { left, .. } => *left = (*left - clock).max(0),
                Role::Out | Role::Abandoned | Role::Leaving { .. } => {}
            }
            match &mut process.renewal {
                Renewal::Sent { age } | Renewal::Answered { age } => *age = (*age + clock).min(TTL),
                Renewal::None | Renewal::Refused => {}
            }
        }
        Some(())
    }

    /// What the service and the world do.
    pub(super) fn outside(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => self.tick(state)?,
            Action::Grant(p) => {
                let role = state.processes[p as usize].role;
                if !matches!(role, Role::Asking { .. } | Role::Abandoned)
                    || state.seat.is_some()
                    || state.granted == GRANTS
                {
                    return None;
                }
                state.granted += 1;
                let token = state.granted;
                state.seat = Some(Seat { holder: p, token, idle: 0 });
                state.processes[p as usize].role = match role {
                    Role::Asking { age } => Role::Granted { age, token },
                    _ => Role::Leaving { token },
                };
            }
            Action::Handle(p) => {
                let Renewal::Sent { age } = state.processes[p as usize].renewal else { return None };
                let ours = state.seat.as_mut().filter(|seat| seat.holder == p);
                let renewed = ours.map(|seat| seat.idle = 0).is_some();
                state.processes[p as usize].renewal =
                    if renewed { Renewal::Answered { age } } else { Renewal::Refused };
            }
            Action::NeverArrives(p) => {
                let process = &mut state.processes[p as usize];
                if process.role != Role::Abandoned {
                    return None;
                }
                process.role = Role::Out;
            }
            Action::RenewalLost(p) => {
                let process = &mut state.processes[p as usize];
                if process.renewal == Renewal::None {
                    return None;
                }
                process.renewal = Renewal::None;
            }
            Action::Release(p) => {
                let Role::Leaving { token } = state.processes[p as usize].role else { return None };
                state.seat = state.seat.filter(|seat| seat.token != token);
                state.processes[p as usize].role = Role::Out;
            }
            Action::Pause(p) => {
                let process = &mut state.processes[p as usize];
                // The pause of another is no different from slow requests.
                let leads = matches!(process.role, Role::Leading { .. });
                if !leads || process.paused || state.pauses == PAUSES {
                    return None;
                }
                process.paused = true;
                state.pauses += 1;
            }
            Action::Resume(p) => {
                if !std::mem::replace(&mut state.processes[p as usize].paused, false) {
                    return None;
                }
            }
            Action::SetClockBack(p) => {
                let process = &mut state.processes[p as usize];
                let Role::Leading { left, .. } = &mut process.role else { return None };
                if self.0 != Variant::WallClock || state.steps_back == 1 {
                    return None;
                }
                *left = VALIDITY;
                state.steps_back = 1;
            }
            Action::Expire => {
                if self.timer_is_due(state) || state.seat?.idle < TTL || state.expiries == EXPIRIES {
                    return None;
                }
                state.seat = None;
                state.expiries += 1;
            }
            Action::Failover => {
                if state.failovers == 1 {
                    return None;
                }
                state.failovers = 1;
                state.seat.as_mut()?.idle = if self.0 == Variant::FailoverForgets { TTL } else { 0 };
            }
            _ => return None,
        }
        Some(())
    }

    /// What a process does, unless it is paused.
    pub(super) fn inside(&self, state: &mut State, p: u8, action: Action) -> Option<()> {
        let process = &mut state.processes[p as usize];
        if process.paused {
            return None;
        }
        match (action, process.role) {
            (Action::Ask(_), Role::Out) => process.role = Role::Asking { age: 0 },
            (Action::Won(_), Role::Granted { age, token }) => match self.validity(age) {
                0 => process.role = Role::Leaving { token },
                left => {
                    process.role = Role::Leading { left, token };
                    state.token_reused |= token <= state.claimed;
                    state.claimed = token;
                }
            },
            (Action::Renew(_), Role::Leading { left: 1.., .. }) if process.renewal == Renewal::None => {
                process.renewal = Renewal::Sent { age: 0 };
            }
            (Action::Proven(_), Role::Leading { left, token }) => {
                let new = match process.renewal {
                    Renewal::Answered { age } => self.validity(age),
                    Renewal::Refused => 0,
                    Renewal::None | Renewal::Sent { .. } => return None,
                };
                let refused = process.renewal == Renewal::Refused;
                process.renewal = Renewal::None;
                process.role = if refused || left == 0 && self.0 != Variant::Revives {
                    Role::Leaving { token }
                } else {
                    state.revived |= left == 0 && new > 0;
                    Role::Leading { left: left.max(new), token }
                };
            }
            (Action::Notice(_), Role::Leading { left: 0, token })
            | (Action::Resign(_), Role::Leading { token, .. })
            | (Action::Cancel(_), Role::Granted { token, .. }) => {
                process.role = Role::Leaving { token };
                process.renewal = Renewal::None;
            }
            (Action::Cancel(_), Role::Asking { .. }) => process.role = Role::Abandoned,
            _ => return None,
        }
        Some(())
    }
}
