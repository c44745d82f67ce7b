//! What a leader does with its leadership: checks, and units of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use election_core::{FencingToken, Kind, LeadershipHandle, Loss};

use super::retry::reason;
use super::sink::Sink;
use crate::history::{Event, Op, Phase, Recorder, Stamp};

/// A leadership whose every check is recorded.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) handle: LeadershipHandle,
    pub(super) recorder: Arc<Recorder>,
    pub(super) campaign: u64,
}

impl Watched {
    /// Checks, and records the check with the clock before it.
    pub(super) fn check(&self) -> Result<Result<FencingToken, Loss>> {
        let began = Stamp::now();
        let clock = self.handle.now();
        let checked = self.handle.check();
        // The deadline after the check: a renewal in between makes it a later one, of the same leadership.
        let valid_until = self.handle.valid_until().ok();
        self.recorder.record(Event {
            began_ns: Some(began.mono_ns),
            clock_ns: Some(clock.as_nanos()),
            valid_until: valid_until.filter(|_| checked.is_ok()).map(|at| at.as_nanos()),
            reason: checked.err().map(|loss| format!("{loss:?}")),
            ..self.event(Op::Check, if checked.is_ok() { Phase::Ok } else { Phase::Fail })
        })?;
        Ok(checked)
    }

    /// An event of this leadership.
    pub(super) fn event(&self, op: Op, phase: Phase) -> Event {
        let token = Some(self.handle.token().get());
        Event { token, number: Some(self.campaign), ..Event::new(op, phase) }
    }
}

/// Does one unit after the other until it is told to stop or leads no longer.
pub(super) fn run(
    watched: &Watched,
    mut sink: Sink,
    pace: Duration,
    writer: &str,
    enough: &AtomicBool,
) -> Result<Sink> {
    while !enough.load(Ordering::SeqCst) && watched.check()?.is_ok() {
        unit(watched, &mut sink, writer)?;
        std::thread::sleep(pace);
    }
    Ok(sink)
}

/// Reads which unit is next, and writes it down as done: two transactions, so that a pause in between is caught by
/// the gate and by nothing else.
fn unit(watched: &Watched, sink: &mut Sink, writer: &str) -> Result<()> {
    let (election, token) = (watched.handle.election(), watched.handle.token());
    let Ok(unit) = sink.next(election, token) else {
        return Ok(());
    };
    let event = |phase| Event { unit: Some(unit), ..watched.event(Op::Unit, phase) };
    watched.recorder.record(event(Phase::Invoke))?;
    let written = sink.write(election, token, unit, writer);
    watched.recorder.record(match &written {
        Ok(()) => event(Phase::Ok),
        Err(error) => {
            let unknown = error.kind() == Kind::Unexpected;
            let phase = if unknown { Phase::Info } else { Phase::Fail };
            Event { reason: Some(reason(error)), note: Some(error.to_string()), ..event(phase) }
        }
    })
}
