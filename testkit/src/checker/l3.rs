//! L3: nothing is left behind by campaigns that were cancelled, failed or killed, or by leaderships that ended.

use super::facts::{Facts, Left};
use super::run::{Outcome, Run};
use super::violation::{Law, Violation};

/// `None` if nobody looked, neither at the end nor in between.
pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Option<Vec<Violation>> {
    if facts.records.is_none() && run.snapshots.is_empty() {
        return None;
    }
    let left = facts.records.iter().flatten();
    let mut violations: Vec<Violation> = left.map(|left| at_the_end(run, left)).collect();
    violations.extend(in_between(run, facts));
    Some(violations)
}

fn at_the_end(run: &Run<'_>, left: &Left) -> Violation {
    let mut campaigns = run.campaigns.iter();
    let campaign = campaigns
        .find(|campaign| format!("{}/{}", run.name(campaign.process), campaign.number) == left.value);
    let (whose, from_ns) = match campaign {
        None => ("a value that nobody campaigned with".to_owned(), run.span.1),
        Some(campaign) => {
            let how = match campaign.outcome {
                Outcome::Won(_) => "was won",
                Outcome::Failed => "failed",
                Outcome::Dropped => "was dropped",
                Outcome::Open => "was under way when its process ended",
            };
            (format!("of a campaign that {how} at {}", run.at(campaign.ended)), campaign.ended)
        }
    };
    let says = format!("the record with token {} and value {:?} is left, {whose}", left.token, left.value);
    Violation { law: Law::L3, says, from_ns, until_ns: run.span.1 }
}

/// The record of a leadership that had ended long before the harness looked.
fn in_between(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let recovery = facts.bounds.takeover.as_nanos() as u64;
    let mut violations = Vec::new();
    for campaign in &run.campaigns {
        let Outcome::Won(token) = campaign.outcome else { continue };
        let gone = run.gone_by(campaign, recovery);
        let look = run.snapshots.iter().find(|look| {
            look.began > gone && look.tokens.contains(&token) && run.is_quiet(gone, look.ended, recovery)
        });
        if let Some(look) = look {
            let says = format!(
                "the record of {} with token {token} was there at {}, and should have been gone by {}",
                run.name(campaign.process),
                run.at(look.began),
                run.at(gone),
            );
            violations.push(Violation { law: Law::L3, says, from_ns: gone, until_ns: look.ended });
        }
    }
    violations
}
