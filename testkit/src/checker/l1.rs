//! L1: with a quorum and a live candidate, a claim exists within the bound after the last fault ends.

use super::claim::Claim;
use super::facts::Facts;
use super::run::{Outcome, Run};
use super::violation::{Law, Violation};

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let bound = facts.bounds.takeover.as_nanos() as u64;
    let contending = contending(run);
    let mut violations = Vec::new();
    for (from, until) in leaderless(run).into_iter().flat_map(|gap| undisturbed(run, gap)) {
        let candidate = contending
            .iter()
            .find(|(_, began, ended)| until.min(*ended).saturating_sub(from.max(*began)) > bound);
        if let Some((process, began, ended)) = candidate {
            let (from, until) = (from.max(*began), until.min(*ended));
            let says = format!(
                "nobody led from {} to {}, for {:.3} s, though {} was a live candidate and no fault was active: \
                 the bound is {:?}",
                run.at(from),
                run.at(until),
                (until - from) as f64 / 1e9,
                run.name(*process),
                facts.bounds.takeover,
            );
            violations.push(Violation { law: Law::L1, says, from_ns: from, until_ns: until });
        }
    }
    violations
}

/// Process by process, from its first campaign to its last moment as a candidate.
fn contending(run: &Run<'_>) -> Vec<(usize, u64, u64)> {
    let span = |process: usize| {
        let own = run.campaigns.iter().filter(|campaign| campaign.process == process);
        let began = own.clone().map(|campaign| campaign.began).min()?;
        let last = own.max_by_key(|campaign| campaign.began)?;
        let ended = match last.outcome {
            // It led when the history ends, or until it was stopped.
            Outcome::Won(_) => run.processes[process].ended.map_or(run.span.1, |(at, _)| at),
            Outcome::Failed | Outcome::Dropped | Outcome::Open => last.ended,
        };
        Some((process, began, ended))
    };
    (0..run.processes.len()).filter_map(span).collect()
}

/// The times in which surely nobody led: between what claims may have lasted at the longest.
fn leaderless(run: &Run<'_>) -> Vec<(u64, u64)> {
    let mut led: Vec<(u64, u64)> =
        run.claims.iter().map(|claim| (claim.start.earliest, last_moment(run, claim))).collect();
    led.sort_unstable();
    let mut gaps = Vec::new();
    let mut since = run.span.0;
    for (from, until) in led {
        if from > since {
            gaps.push((since, from));
        }
        since = since.max(until);
    }
    if run.span.1 > since {
        gaps.push((since, run.span.1));
    }
    gaps
}

/// A killed leader leads no longer, whatever it was promised.
fn last_moment(run: &Run<'_>, claim: &Claim) -> u64 {
    let killed = run.processes[claim.process].ended.map_or(u64::MAX, |(_, at)| at);
    claim.last_moment().min(killed.max(claim.last_check.latest))
}

/// The parts of a gap in which no fault was active.
fn undisturbed(run: &Run<'_>, (from, until): (u64, u64)) -> Vec<(u64, u64)> {
    let mut troubles: Vec<(u64, u64)> =
        run.troubles.iter().map(|trouble| (trouble.began, trouble.over)).collect();
    troubles.sort_unstable();
    let mut parts = Vec::new();
    let mut since = from;
    for (began, over) in troubles {
        if over < since || began > until {
            continue;
        }
        if began > since {
            parts.push((since, began));
        }
        since = since.max(over);
    }
    if until > since {
        parts.push((since, until));
    }
    parts
}
