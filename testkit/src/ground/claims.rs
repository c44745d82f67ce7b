//! Whether a worker led at some moment, by its own history while the run goes on.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, Result};

use crate::history::{Event, Op, Phase, Stamp};

/// A leader writes a few hundred lines a second, of some 300 bytes: the last ten seconds and more.
const TAIL: u64 = 1024 * 1024;

/// The last lines of a history.
pub(super) fn tail(history: &Path) -> Result<Vec<Event>> {
    let mut file = match File::open(history) {
        // It has not written a line yet.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.with_context(|| format!("cannot read {}", history.display()))?,
    };
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // The first and the last may be cut: by us, or because they are being written.
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// True when that process has begun to connect.
pub(super) fn has_begun(events: &[Event], pid: u32) -> bool {
    events.iter().any(|event| event.pid == pid && event.op != Op::Run)
}

/// True when that process contends no more.
pub(super) fn rests(events: &[Event], pid: u32) -> bool {
    let rest = |event: &Event| (event.op, event.phase) == (Op::Run, Phase::Info);
    events.iter().any(|event| event.pid == pid && rest(event))
}

/// How many seconds the wall clock of a process was ahead of the true one at its last successful check; `None` if it has
/// not made one. `now` and `wall_ns` are one moment on true clocks.
pub(super) fn wall_clock_off(events: &[Event], now: Stamp, wall_ns: u64) -> Option<f64> {
    let leads = |event: &&Event| (event.op, event.phase) == (Op::Check, Phase::Ok);
    let check = events.iter().rev().find(leads)?;
    let seen = i128::from(check.wall_ns?) - i128::from(wall_ns);
    Some((seen - (i128::from(check.mono_ns) - i128::from(now.mono_ns))) as f64 / 1e9)
}

/// The token of the claim that was alive at `moment`.
pub(super) fn last_claim(events: &[Event], moment: Stamp) -> Option<u64> {
    let mut before = events.iter().rev().filter(|event| event.mono_ns <= moment.mono_ns);
    let last = before.find(|event| decides(event));
    // A resign that went well is no claim.
    let claims = |event: &&Event| matches!(event.op, Op::Check | Op::Campaign) && event.phase == Phase::Ok;
    last.filter(claims).and_then(|event| event.token)
}

/// True for what begins, confirms or ends a claim.
fn decides(event: &Event) -> bool {
    match event.op {
        Op::Check | Op::Lost | Op::Resign | Op::Drop | Op::Close | Op::Run => true,
        Op::Campaign => event.phase == Phase::Ok,
        _ => false,
    }
}

/// The rate of the clock that deadlines live on, compared with the true one, as the checks since `since` show it; `None`
/// if there are none, or they are not far enough apart.
pub(super) fn clock_rate(events: &[Event], since: Stamp) -> Option<f64> {
    /// Enough to tell a rate from a delay between two looks at clocks.
    const APART_NS: u64 = 200_000_000;
    let checks: Vec<(u64, u64)> = events
        .iter()
        .filter(|event| event.op == Op::Check && event.began_ns > Some(since.mono_ns))
        .filter_map(|event| event.began_ns.zip(event.clock_ns))
        .collect();
    let ((first, first_clock), (last, last_clock)) = (*checks.first()?, *checks.last()?);
    let apart = last.checked_sub(first).filter(|apart| *apart >= APART_NS)?;
    Some(last_clock.saturating_sub(first_clock) as f64 / apart as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ns: u64, op: Op, phase: Phase, token: Option<u64>) -> Event {
        Event { mono_ns, token, began_ns: Some(mono_ns), ..Event::new(op, phase) }
    }

    fn moment(mono_ns: u64) -> Stamp {
        Stamp { mono_ns, boot_ns: mono_ns }
    }

    #[test]
    fn a_claim_lasts_from_its_first_check_to_what_ends_it() {
        let events = [
            at(10, Op::Campaign, Phase::Invoke, None),
            at(20, Op::Campaign, Phase::Ok, Some(7)),
            at(30, Op::Check, Phase::Ok, Some(7)),
            at(35, Op::Unit, Phase::Ok, Some(7)),
            at(40, Op::Resign, Phase::Invoke, Some(7)),
            at(41, Op::Check, Phase::Fail, Some(7)),
            at(48, Op::Resign, Phase::Ok, Some(7)),
            at(50, Op::Campaign, Phase::Invoke, None),
        ];
        for (when, token) in
            [(5, None), (15, None), (25, Some(7)), (37, Some(7)), (45, None), (49, None), (60, None)]
        {
            assert_eq!(last_claim(&events, moment(when)), token, "at {when}");
        }
    }

    #[test]
    fn a_wall_clock_counts_while_its_process_leads() {
        let hour = 3_600_000_000_000;
        let seen = |op, phase, wall_ns| Event { wall_ns: Some(wall_ns), ..at(10, op, phase, Some(7)) };
        let mut events = vec![seen(Op::Check, Phase::Ok, 2 * hour + 10)];
        events.push(seen(Op::Check, Phase::Fail, hour));
        assert_eq!(wall_clock_off(&events, moment(500), hour + 500), Some(3600.0));
        assert_eq!(wall_clock_off(&events[1..], moment(500), hour + 500), None);
        let unseen = [at(10, Op::Check, Phase::Ok, Some(7))];
        assert_eq!(wall_clock_off(&unseen, moment(500), hour + 500), None);
    }

    #[test]
    fn the_rate_is_that_of_the_deadlines_clock() {
        let check = |mono_ns, clock_ns| Event {
            clock_ns: Some(clock_ns),
            ..at(mono_ns, Op::Check, Phase::Ok, Some(1))
        };
        let events = [check(0, 0), check(1_000_000_000, 500), check(2_000_000_000, 1_500_000_500)];
        assert_eq!(clock_rate(&events, moment(500)), Some(1.5));
        assert_eq!(clock_rate(&events, moment(1_500_000_000)), None);
    }
}
