//! The deadline of a session: `election-core/src/session.rs`, `config.rs` (`Timing::validity`), `leadership.rs`.
//!
//! Three candidates and a service with one seat. The service keeps a holder for a TTL after the last renewal that it
//! handled, by its own clock. The candidates' clocks are slower, equal and faster, by the drift bound. In real time
//! the service counts six units per tick, the candidates five, six and seven; a TTL is three ticks of the service.
//!
//! | action | code |
//! | --- | --- |
//! | `Ask`, `Renew` | `Clock::now()`, then the request: its age counts from here |
//! | `Grant`, `Handle` | the service takes the request up |
//! | `Won`, `Proven` | the answer is there: `SessionState::new`, `SessionState::prove` |
//! | `Notice` | `SessionState::valid` sees the deadline pass, for the timer, a check or a late proof |
//! | `Resign`, `Cancel`, `Release` | `Leadership::resign`, a dropped campaign, and the removal of the record |
//! | `Pause`, `Resume` | SIGSTOP, a suspended machine, a starved runtime |
//! | `Failover` | another server takes over and gives the session a full TTL |

use stateright::{Model, Property};

use crate::check::{breaks, holds};

/// A full TTL by the service's clock.
const TTL: i8 = 18;
const SERVICE: i8 = 6;
const CLOCKS: [i8; 3] = [5, 6, 7];
/// TTL × (1 − drift), where drift is a sixth.
const VALIDITY: i8 = 15;
const GRANTS: u8 = 3;
const EXPIRIES: u8 = 2;
const PAUSES: u8 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// The deadline counts from the receipt of the answer.
    FromReceipt,
    /// The whole TTL is trusted.
    NoDrift,
    /// A timer ends the claim, on time unless the process is paused; a check asks for the timer's flag.
    TimerFlag,
    /// The clock stands still while the process is suspended: `std::time::Instant`.
    StandsStill,
    /// The clock can be set back: `SystemTime`.
    WallClock,
    /// A proof that comes after the deadline counts.
    Revives,
    /// The server that takes over goes by what it knew of the session, which is out of date.
    FailoverForgets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Out,
    Asking {
        age: i8,
    },
    /// Dropped; the request is still on its way.
    Abandoned,
    Granted {
        age: i8,
        token: u8,
    },
    Leading {
        left: i8,
        token: u8,
    },
    Leaving {
        token: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Renewal {
    None,
    Sent {
        age: i8,
    },
    Answered {
        age: i8,
    },
    /// The seat is somebody else's.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    role: Role,
    renewal: Renewal,
    paused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seat {
    holder: u8,
    token: u8,
    idle: i8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    seat: Option<Seat>,
    processes: [Process; 3],
    granted: u8,
    claimed: u8,
    expiries: u8,
    pauses: u8,
    failovers: u8,
    steps_back: u8,
    token_reused: bool,
    revived: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Tick,
    Ask(u8),
    Grant(u8),
    Won(u8),
    Renew(u8),
    Handle(u8),
    Proven(u8),
    RenewalLost(u8),
    Notice(u8),
    Resign(u8),
    Cancel(u8),
    NeverArrives(u8),
    Release(u8),
    Pause(u8),
    Resume(u8),
    SetClockBack(u8),
    Expire,
    Failover,
}

#[derive(Clone)]
struct Deadline(Variant);

impl Deadline {
    fn claims(&self, process: &Process) -> bool {
        match process.role {
            Role::Leading { left, .. } => left > 0 || self.0 == Variant::TimerFlag,
            _ => false,
        }
    }

    fn validity(&self, age: i8) -> i8 {
        let whole = if self.0 == Variant::NoDrift { TTL } else { VALIDITY };
        if self.0 == Variant::FromReceipt { whole } else { (whole - age).max(0) }
    }

    /// Timers are never late, but for pauses.
    fn timer_is_due(&self, state: &State) -> bool {
        let due = |p: &Process| !p.paused && matches!(p.role, Role::Leading { left: 0, .. });
        self.0 == Variant::TimerFlag && state.processes.iter().any(due)
    }

    fn tick(&self, state: &mut State) -> Option<()> {
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
    fn outside(&self, state: &mut State, action: Action) -> Option<()> {
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
    fn inside(&self, state: &mut State, p: u8, action: Action) -> Option<()> {
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

impl Model for Deadline {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let process = Process { role: Role::Out, renewal: Renewal::None, paused: false };
        vec![State {
            seat: None,
            processes: [process; 3],
            granted: 0,
            claimed: 0,
            expiries: 0,
            pauses: 0,
            failovers: 0,
            steps_back: 0,
            token_reused: false,
            revived: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([Tick, Expire, Failover]);
        for p in 0..3 {
            actions.extend([Ask(p), Grant(p), Won(p), Renew(p), Handle(p), Proven(p), RenewalLost(p)]);
            actions.extend([
                Notice(p),
                Resign(p),
                Cancel(p),
                NeverArrives(p),
                Release(p),
                Pause(p),
                Resume(p),
            ]);
            actions.push(SetClockBack(p));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Ask(p)
            | Action::Won(p)
            | Action::Renew(p)
            | Action::Proven(p)
            | Action::Notice(p)
            | Action::Resign(p)
            | Action::Cancel(p) => self.inside(&mut state, p, action)?,
            _ => self.outside(&mut state, action)?,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1, |model: &Self, state: &State| {
                state.processes.iter().filter(|p| model.claims(p)).count() <= 1
            }),
            Property::always("S2: tokens increase", |_: &Self, state: &State| !state.token_reused),
            Property::always(FINAL, |_: &Self, state: &State| !state.revived),
            Property::always("L3: nothing is left behind", |_: &Self, state: &State| {
                state.seat.is_none() || state.processes.iter().any(|p| p.role != Role::Out)
            }),
            Property::sometimes("a takeover after two expiries", |model: &Self, state: &State| {
                state.expiries == EXPIRIES
                    && state
                        .processes
                        .iter()
                        .any(|p| model.claims(p) && matches!(p.role, Role::Leading { token: 3, .. }))
            }),
            Property::sometimes(
                "a leader that does not know yet has lost its seat to another",
                |_: &Self, state: &State| {
                    let leads = |p: &Process| matches!(p.role, Role::Leading { .. });
                    state.processes.iter().filter(|p| leads(p)).count() == 2
                },
            ),
            Property::sometimes("a pause past the deadline", |_: &Self, state: &State| {
                state.processes.iter().any(|p| p.paused && matches!(p.role, Role::Leading { left: 0, .. }))
            }),
            Property::sometimes("a renewal proven after a failover", |_: &Self, state: &State| {
                let renewed = |p: &Process| matches!(p.role, Role::Leading { left: 15, .. });
                state.failovers == 1 && state.processes.iter().any(renewed)
            }),
        ]
    }
}

const S1: &str = "S1: at most one valid claim";
const FINAL: &str = "loss is final";

#[test]
fn the_deadline_holds() {
    holds("deadline", Deadline(Variant::Recipe), 100_000);
}

#[test]
fn naive_deadlines_are_caught() {
    breaks("deadline from the receipt", Deadline(Variant::FromReceipt), S1);
    breaks("no drift bound", Deadline(Variant::NoDrift), S1);
    breaks("a flag set by a timer", Deadline(Variant::TimerFlag), S1);
    breaks("a clock that stands still in suspend", Deadline(Variant::StandsStill), S1);
    breaks("a wall clock", Deadline(Variant::WallClock), S1);
    breaks("a late proof revives", Deadline(Variant::Revives), FINAL);
    breaks("a failover that cuts sessions short", Deadline(Variant::FailoverForgets), S1);
}
