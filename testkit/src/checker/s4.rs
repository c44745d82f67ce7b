//! S4: no check succeeds after the deadline, after a failure, or after a pause that is longer than the TTL.

use std::collections::HashMap;

use super::facts::Facts;
use super::run::{Run, Trouble};
use super::violation::{Law, Violation};
use crate::history::{Effect, Event, Op, Phase};

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let pauses = long_pauses(run, facts);
    let won: HashMap<(usize, Option<u64>), u64> = run
        .campaigns
        .iter()
        .map(|campaign| ((campaign.process, Some(campaign.number)), campaign.ended))
        .collect();
    let mut failed: HashMap<(usize, Option<u64>), u64> = HashMap::new();
    let mut violations = Vec::new();
    let checks = run.events.iter().zip(&run.writer).filter(|(event, _)| event.op == Op::Check);
    for (event, &process) in checks {
        let key = (process, event.number);
        if event.phase == Phase::Fail {
            let first = failed.entry(key).or_insert(event.mono_ns);
            *first = event.mono_ns.min(*first);
            continue;
        }
        let complaint = after_deadline(event)
            .or_else(|| after_failure(run, event, failed.get(&key).copied()))
            .or_else(|| after_pause(event, process, *won.get(&key)?, &pauses));
        if let Some((complaint, from_ns)) = complaint {
            let says = format!(
                "a check of {} under token {} succeeded between {} and {}, {complaint}",
                run.name(process),
                event.token.unwrap_or_default(),
                run.at(event.earliest()),
                run.at(event.mono_ns),
            );
            violations.push(Violation { law: Law::S4, says, from_ns, until_ns: event.mono_ns });
        }
    }
    violations
}

/// The clock was read before the check, so the check was no earlier.
fn after_deadline(event: &Event) -> Option<(String, u64)> {
    let late = event.clock_ns?.checked_sub(event.valid_until?)?;
    Some((format!("{:.3} ms after its deadline", late as f64 / 1e6), event.earliest()))
}

fn after_failure(run: &Run<'_>, event: &Event, failed: Option<u64>) -> Option<(String, u64)> {
    let failed = failed.filter(|failed| *failed <= event.earliest())?;
    Some((format!("though one had failed by {}: loss is final", run.at(failed)), failed))
}

/// The pauses of processes that were longer than the TTL.
fn long_pauses(run: &Run<'_>, facts: &Facts) -> Vec<(usize, (u64, u64))> {
    let ttl = facts.bounds.ttl.as_nanos() as u64;
    let long = |trouble: &Trouble| {
        let (from, until) = trouble.active.filter(|(from, until)| until - from > ttl)?;
        let process = run.process_of(trouble.fault.pid?, trouble.began)?;
        (trouble.fault.effect == Effect::Pauses).then_some((process, (from, until)))
    };
    run.troubles.iter().filter_map(long).collect()
}

/// A leadership from before the pause; the check was begun after it, because during it nothing is.
fn after_pause(
    event: &Event,
    process: usize,
    won: u64,
    pauses: &[(usize, (u64, u64))],
) -> Option<(String, u64)> {
    let (_, (from, until)) = pauses
        .iter()
        .find(|(paused, (from, _))| *paused == process && won <= *from && event.earliest() > *from)?;
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let (lasted, since) = (seconds(until - from), seconds(event.earliest() - from));
    let says =
        format!("{since:.6} s after the begin of a pause of {lasted:.3} s, which is longer than the TTL");
    Some((says, *from))
}
