//! L2: a waiter whose predecessor resigned is woken within the bound.
//!
//! (After a leader that was killed or stopped, L1 holds the takeover to its own bound.)

use super::facts::Facts;
use super::run::{Campaign, Outcome, Run};
use super::violation::{Law, Violation};

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let bound = facts.bounds.handover.as_nanos() as u64;
    let recovery = facts.bounds.takeover.as_nanos() as u64;
    let mut violations = Vec::new();
    for (campaign, token) in run.campaigns.iter().filter_map(won) {
        let Some(gone) = campaign.gone.filter(|gone| *gone >= campaign.ended) else { continue };
        let due = gone + bound;
        if !run.is_quiet(gone, due, recovery) {
            continue;
        }
        let next = run.campaigns.iter().filter_map(won).find(|(_, next)| *next > token);
        let woken = run.campaigns.iter().filter_map(won).any(|(next, its)| its > token && next.ended <= due);
        // In the queue well before, and still there when it should have been woken.
        let waiter = run.campaigns.iter().find(|waiter| {
            waiter.process != campaign.process && waiter.began + bound <= gone && waiter.ended > due
        });
        if let Some(waiter) = waiter.filter(|_| !woken) {
            let after = match next {
                Some((next, _)) => format!("the next win was at {}", run.at(next.ended)),
                None => "nobody won after that".to_owned(),
            };
            let says = format!(
                "{} resigned token {token} by {}, and {}, who had waited since {}, was not woken within {:?}: {after}",
                run.name(campaign.process),
                run.at(gone),
                run.name(waiter.process),
                run.at(waiter.began),
                facts.bounds.handover,
            );
            violations.push(Violation { law: Law::L2, says, from_ns: gone, until_ns: due });
        }
    }
    violations
}

fn won(campaign: &Campaign) -> Option<(&Campaign, u64)> {
    match campaign.outcome {
        Outcome::Won(token) => Some((campaign, token)),
        Outcome::Failed | Outcome::Dropped | Outcome::Open => None,
    }
}
