//! S1: claims never overlap in real time.

use super::claim::Claim;
use super::facts::Facts;
use super::run::Run;
use super::violation::{Law, Violation};

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let mut claims: Vec<&Claim> = run.claims.iter().collect();
    claims.sort_by_key(|claim| claim.start.latest);
    let mut violations = Vec::new();
    for (index, first) in claims.iter().enumerate() {
        let end = first.sure_end();
        for second in claims[index + 1..].iter().take_while(|second| second.start.latest <= end) {
            let (old, new) = if first.token <= second.token { (first, second) } else { (second, first) };
            if let Some((from, until)) = first.overlap(second)
                && !excused(run, facts, old, new)
            {
                violations.push(violation(run, old, new, from, until));
            }
        }
    }
    violations
}

/// An administrator took the record of the old leader away, and the word was on its way to him. If other faults held it
/// up, his deadline is the limit, which S4 watches.
fn excused(run: &Run<'_>, facts: &Facts, old: &Claim, new: &Claim) -> bool {
    run.depositions(old).any(|trouble| {
        let told_by = trouble.over + facts.bounds.depose.as_nanos() as u64;
        let held_up = run.is_joined(trouble, old.last_check.earliest);
        new.start.latest >= trouble.began && (held_up || old.last_check.earliest <= told_by)
    })
}

fn violation(run: &Run<'_>, old: &Claim, new: &Claim, from: u64, until: u64) -> Violation {
    let lasted = (until - from) as f64 / 1e6;
    let says = format!(
        "{} and {} led at the same time for at least {lasted:.3} ms, from {} to {}. {}. {}.",
        run.name(old.process),
        run.name(new.process),
        run.at(from),
        run.at(until),
        describe(run, old),
        describe(run, new),
    );
    Violation { law: Law::S1, says, from_ns: from, until_ns: until }
}

/// One claim in words.
pub(super) fn describe(run: &Run<'_>, claim: &Claim) -> String {
    let end = match (claim.given_up, claim.failed) {
        (_, Some(failure)) if failure.lapsed => {
            format!("and its deadline had passed at the check at {}", run.at(failure.check.latest))
        }
        (_, Some(failure)) => format!("and learned of its end by {}", run.at(failure.check.latest)),
        (Some(at), None) => format!("and gave up at {}", run.at(at)),
        (None, None) => "and said nothing more".to_owned(),
    };
    format!(
        "{} claimed with token {} from {} on, checked with success until {}, was promised {} {end}",
        run.name(claim.process),
        claim.token,
        run.at(claim.start.latest),
        run.at(claim.last_check.earliest),
        run.at(claim.promised),
    )
}
