//! S2: tokens strictly increase with claim start; none is reused.

use std::collections::HashMap;

use super::claim::Claim;
use super::run::{Outcome, Run};
use super::violation::{Law, Violation};

pub(super) fn check(run: &Run<'_>) -> Vec<Violation> {
    let mut violations = decreasing(run);
    violations.extend(reused(run));
    violations
}

/// Who began surely later has the larger token.
fn decreasing(run: &Run<'_>) -> Vec<Violation> {
    let mut by_begin: Vec<&Claim> = run.claims.iter().collect();
    by_begin.sort_by_key(|claim| claim.start.earliest);
    let mut begun: Vec<&Claim> = run.claims.iter().collect();
    begun.sort_by_key(|claim| claim.start.latest);
    let mut begun = begun.into_iter().peekable();
    let mut highest: Option<&Claim> = None;
    let mut violations = Vec::new();
    for claim in by_begin {
        while let Some(before) = begun.next_if(|before| before.start.latest < claim.start.earliest) {
            if highest.is_none_or(|highest| before.token > highest.token) {
                highest = Some(before);
            }
        }
        if let Some(before) = highest.filter(|before| before.token > claim.token) {
            violations.push(Violation {
                law: Law::S2,
                says: format!(
                    "{} first claimed with token {} at {}, before {} with token {} at {}: the later one is lower",
                    run.name(before.process),
                    before.token,
                    run.at(before.start.latest),
                    run.name(claim.process),
                    claim.token,
                    run.at(claim.start.latest),
                ),
                from_ns: before.start.latest,
                until_ns: claim.start.latest,
            });
        }
    }
    violations
}

/// No two campaigns win the same token.
fn reused(run: &Run<'_>) -> Vec<Violation> {
    let mut winners: HashMap<u64, usize> = HashMap::new();
    let mut violations = Vec::new();
    for (index, campaign) in run.campaigns.iter().enumerate() {
        let Outcome::Won(token) = campaign.outcome else { continue };
        if let Some(first) = winners.insert(token, index) {
            let first = &run.campaigns[first];
            violations.push(Violation {
                law: Law::S2,
                says: format!(
                    "{} won token {token} at {}, and {} won it again at {}",
                    run.name(first.process),
                    run.at(first.ended),
                    run.name(campaign.process),
                    run.at(campaign.ended),
                ),
                from_ns: first.ended.min(campaign.ended),
                until_ns: first.ended.max(campaign.ended),
            });
        }
    }
    violations
}
