//! L5: no phantom: a candidate without a record never claims.

use super::facts::Facts;
use super::run::Run;
use super::violation::{Law, Violation};
use crate::history::{Effect, Op, Phase};

/// `None` if nobody looked into the service, and no administrator deleted anything.
pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Option<Vec<Violation>> {
    let deposed = run.troubles.iter().any(|trouble| trouble.fault.effect == Effect::Deposes);
    if run.snapshots.is_empty() && !deposed {
        return None;
    }
    let mut violations = unrecorded(run, facts);
    violations.extend(after_deletion(run, facts));
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
        let held_up = run.troubles.iter().any(|other| {
            other.fault.number != trouble.fault.number
                && other.began <= event.mono_ns
                && other.over >= trouble.began
        });
        if !held_up {
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
