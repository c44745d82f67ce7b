//! What is asked of the model, and the tests.

use stateright::{Model, Property};

use crate::check::{breaks, holds};

use super::*;

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
    holds("deadline", Deadline(Variant::Recipe), 2_000_000);
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
