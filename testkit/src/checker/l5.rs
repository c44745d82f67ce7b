//! L5: no phantom: a candidate without a record never claims.

use super::facts::Facts;
use super::run::{Outcome, Run, Trouble};
use super::violation::{Law, Violation};
use crate::history::{Effect, Op, Phase};

/// `None` if nobody looked into the service, and nothing made a record vanish.
pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Option<Vec<Violation>> {
    let vanishes = |trouble: &Trouble| matches!(trouble.fault.effect, Effect::Deposes | Effect::Pauses);
    if run.snapshots.is_empty() && !run.troubles.iter().any(vanishes) {
        return None;
    }
    let mut violations = unrecorded(run, facts);
    violations.extend(after_deletion(run, facts));
    violations.extend(after_expiry(run, facts));
    Some(violations)
}

/// A claim that held before and well after the harness looked, and had no record then.
fn unrecorded(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let depose = facts.bounds.depose.as_nanos() as u64;
    let mut violations = Vec::new();
    for look in &run.snapshots {
        for claim in &run.claims {
            let held = claim.start.latest <= look.began && claim.last_check.earliest >= look.ended + depose;
            if held && !look.tokens.contains(&claim.token) {
                let says = format!(
                    "{} claimed with token {} from {} until {}, and had no record at {}, where the records were {:?}",
                    run.name(claim.process),
                    claim.token,
                    run.at(claim.start.latest),
                    run.at(claim.last_check.earliest),
                    run.at(look.began),
                    look.tokens,
                );
                violations.push(Violation { law: Law::L5, says, from_ns: look.began, until_ns: look.ended });
            }
        }
    }
    violations
}

/// A check that succeeded when the word of the deletion must have arrived, and no other fault held it up.
fn after_deletion(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let depose = facts.bounds.depose.as_nanos() as u64;
    let mut violations = Vec::new();
    for trouble in run.troubles.iter().filter(|trouble| trouble.fault.effect == Effect::Deposes) {
        let Some(token) = trouble.fault.token else { continue };
        let due = trouble.over + depose;
        let check = run.events.iter().zip(&run.writer).find(|(event, _)| {
            (event.op, event.phase, event.token) == (Op::Check, Phase::Ok, Some(token))
                && event.earliest() > due
        });
        let Some((event, &process)) = check else { continue };
        if !run.is_joined(trouble, event.mono_ns) {
            let says = format!(
                "{} still claimed with token {token} at {}, though its record was deleted by {}",
                run.name(process),
                run.at(event.earliest()),
                run.at(trouble.over),
            );
            violations.push(Violation {
                law: Law::L5,
                says,
                from_ns: trouble.began,
                until_ns: event.mono_ns,
            });
        }
    }
    violations
}

/// A win of a candidate that was paused, while it waited, for longer than its session lives.
fn after_expiry(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let expiry = facts.bounds.takeover.as_nanos() as u64;
    let mut violations = Vec::new();
    for trouble in run.troubles.iter().filter(|trouble| trouble.fault.effect == Effect::Pauses) {
        let Some((from, until)) = trouble.active.filter(|(from, until)| until - from > expiry) else {
            continue;
        };
        let paused = trouble.fault.pid.and_then(|pid| run.process_of(pid, trouble.began));
        let won = run.campaigns.iter().find(|campaign| {
            let is_won = matches!(campaign.outcome, Outcome::Won(_));
            is_won
                && Some(campaign.process) == paused
                && campaign.began < trouble.began
                && campaign.ended > from
        });
        if let Some(campaign) = won.filter(|_| !run.is_joined(trouble, until)) {
            let says = format!(
                "{} waited since {}, was paused from {} to {}, for longer than its session lives, and won at {}: \
                 it had no record then",
                run.name(campaign.process),
                run.at(campaign.began),
                run.at(from),
                run.at(until),
                run.at(campaign.ended),
            );
            violations.push(Violation { law: Law::L5, says, from_ns: from, until_ns: campaign.ended });
        }
    }
    violations
}
