//! S6: an observation begun after a claim was made never reports an older leader, or none, as present.

use super::claim::Claim;
use super::run::Run;
use super::s1::describe;
use super::violation::{Law, Violation};
use crate::history::View;

pub(super) fn check(run: &Run<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for stream in &run.streams {
        let made = run.claims.iter().filter(|claim| claim.start.latest < stream.began);
        let Some(newest) = made.max_by_key(|claim| claim.token) else { continue };
        for (at, view) in &stream.items {
            let saw = match view {
                View::Elected { token, .. } if *token < newest.token => format!("the older token {token}"),
                View::Elected { .. } => break,
                View::Vacant if still_leads(run, newest, *at) => "a vacancy".to_owned(),
                View::Vacant | View::Disconnected { .. } => continue,
            };
            let says = format!(
                "the observation of {} that began at {} reported {saw} as present at {}, though {}",
                run.name(stream.process),
                run.at(stream.began),
                run.at(*at),
                describe(run, newest),
            );
            let from_ns = newest.start.latest.min(stream.began);
            violations.push(Violation { law: Law::S6, says, from_ns, until_ns: *at });
        }
    }
    violations
}

fn still_leads(run: &Run<'_>, claim: &Claim, at: u64) -> bool {
    claim.sure_end() >= at && !run.is_deposed(claim)
}
