//! Whether the run did to the system what it is about. A run that did not proves nothing, and is rejected.

use super::claim::Claim;
use super::facts::{Exercise, Facts, Requirement};
use super::run::{Run, Trouble};

/// One line for each requirement that is not met, and for a run in which nothing happened.
pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<String> {
    let mut missing = Vec::new();
    if run.claims.is_empty() {
        missing.push("nobody ever led: no check succeeded".to_owned());
    }
    missing.extend(facts.required.iter().filter_map(|required| unmet(run, facts, required)));
    missing
}

fn unmet(run: &Run<'_>, facts: &Facts, required: &Requirement) -> Option<String> {
    let of_kind: Vec<&Trouble> =
        run.troubles.iter().filter(|trouble| trouble.fault.kind == required.kind).collect();
    let counted =
        of_kind.iter().filter(|trouble| is_exercised(run, facts, trouble, required.exercise)).count();
    let what = match required.exercise {
        Exercise::Began => "began",
        Exercise::HitLeader => "hit a leader",
        Exercise::OutlastedDeadline => "hit a leader and outlasted its deadline",
        Exercise::TakenOver => "hit a leader that was then replaced",
        Exercise::Confirmed => "were confirmed by the harness",
    };
    (counted < required.times).then(|| {
        format!(
            "of {} faults of the kind {:?} {counted} {what}, and {} were required",
            of_kind.len(),
            required.kind,
            required.times
        )
    })
}

fn is_exercised(run: &Run<'_>, facts: &Facts, trouble: &Trouble, exercise: Exercise) -> bool {
    let leader = || hit(run, trouble);
    match exercise {
        Exercise::Began => true,
        Exercise::HitLeader => leader().is_some(),
        Exercise::OutlastedDeadline => leader().is_some_and(|claim| {
            // A promise that was renewed meanwhile is a later one, and was not outlasted.
            trouble.active.is_some_and(|(_, until)| claim.promised < until)
        }),
        Exercise::TakenOver => leader().is_some_and(|old| {
            let due = trouble.over + facts.bounds.takeover.as_nanos() as u64;
            run.claims.iter().any(|new| {
                new.token > old.token && new.start.latest >= trouble.began && new.start.earliest <= due
            })
        }),
        Exercise::Confirmed => trouble.fault.exercised == Some(true),
    }
}

/// The claim of the fault's token or process that held when the fault began.
fn hit<'r>(run: &'r Run<'_>, trouble: &Trouble) -> Option<&'r Claim> {
    let (active, _) = trouble.active.unwrap_or((trouble.began, trouble.began));
    let process = trouble.fault.pid.and_then(|pid| run.process_of(pid, trouble.began));
    run.claims.iter().find(|claim| {
        let is_its = match (trouble.fault.token, process) {
            (Some(token), _) => token == claim.token,
            (None, process) => process == Some(claim.process),
        };
        is_its && claim.start.latest <= active && claim.sure_end() >= trouble.began
    })
}
