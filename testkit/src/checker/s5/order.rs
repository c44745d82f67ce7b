//! Nothing is seen that was not, and nothing in another order.

use std::collections::HashMap;

use crate::checker::claim::Claim;
use crate::checker::run::{Outcome, Run, Stream};
use crate::checker::s1::describe;
use crate::checker::violation::{Law, Violation};
use crate::history::View;

pub(super) fn check(run: &Run<'_>) -> Vec<Violation> {
    let truth = Truth::of(run);
    let mut violations = Vec::new();
    for stream in &run.streams {
        let mut seen: Option<u64> = None;
        let mut vacant_since: Option<u64> = None;
        for (at, view) in &stream.items {
            let complaint = match view {
                View::Elected { value, token, .. } => truth
                    .backwards(run, *token, seen, vacant_since)
                    .or_else(|| truth.nobody(run, value, *token, *at))
                    .or_else(|| truth.older_still_leads(run, *token, *at)),
                View::Vacant => seen.and_then(|token| truth.still_leads(run, token, *at)),
                View::Disconnected { .. } => None,
            };
            match view {
                View::Elected { token, .. } => {
                    seen = seen.max(Some(*token));
                    vacant_since = None;
                }
                View::Vacant => vacant_since = vacant_since.or(Some(*at)),
                View::Disconnected { .. } => {}
            }
            if let Some(complaint) = complaint {
                violations.push(violation(run, stream, *at, &complaint));
            }
        }
    }
    violations
}

fn violation(run: &Run<'_>, stream: &Stream, at: u64, complaint: &str) -> Violation {
    let who = run.name(stream.process);
    let says = format!("the observer {who} saw at {} {complaint}", run.at(at));
    Violation { law: Law::S5, says, from_ns: stream.began.max(at.saturating_sub(100_000_000)), until_ns: at }
}

/// Who campaigned with what, and who led.
struct Truth<'r> {
    /// From a candidate's value to its campaign.
    campaigns: HashMap<String, usize>,
    /// From a token to its claim.
    claims: HashMap<u64, &'r Claim>,
}

impl<'r> Truth<'r> {
    fn of(run: &'r Run<'_>) -> Self {
        let value = |(index, campaign): (usize, &crate::checker::run::Campaign)| {
            (format!("{}/{}", run.name(campaign.process), campaign.number), index)
        };
        Self {
            campaigns: run.campaigns.iter().enumerate().map(value).collect(),
            claims: run.claims.iter().map(|claim| (claim.token, claim)).collect(),
        }
    }

    fn backwards(&self, run: &Run<'_>, token: u64, seen: Option<u64>, vacant: Option<u64>) -> Option<String> {
        let seen = seen?;
        if token < seen {
            return Some(format!("token {token} after token {seen}: tokens never decrease along a stream"));
        }
        let vacant = vacant.filter(|_| token == seen)?;
        Some(format!("token {token} come back after a vacancy at {}: an end is final", run.at(vacant)))
    }

    /// The leader that was seen is no campaign of this run, or not the one who won that token.
    fn nobody(&self, run: &Run<'_>, value: &str, token: u64, at: u64) -> Option<String> {
        let Some(campaign) = self.campaigns.get(value).map(|&index| &run.campaigns[index]) else {
            return Some(format!("{value:?} lead with token {token}, a value that nobody campaigned with"));
        };
        if campaign.began > at {
            return Some(format!("{value:?} lead, who began to campaign only at {}", run.at(campaign.began)));
        }
        match campaign.outcome {
            Outcome::Won(won) if won != token => {
                Some(format!("{value:?} lead with token {token}, who won with token {won}"))
            }
            _ => None,
        }
    }

    /// A vacancy after a leader whose claim had surely not ended.
    fn still_leads(&self, run: &Run<'_>, token: u64, at: u64) -> Option<String> {
        let claim = self.claims.get(&token).filter(|claim| claim.sure_end() >= at)?;
        let is_true = run.is_deposed(claim);
        (!is_true).then(|| format!("a vacancy, though token {token} still led: {}", describe(run, claim)))
    }

    /// A leader, though one with a lower token had surely not ended: his record is ahead in the queue.
    fn older_still_leads(&self, run: &Run<'_>, token: u64, at: u64) -> Option<String> {
        let older = run.claims.partition_point(|claim| claim.token < token);
        // Claims do not overlap (S1), so only the last of them can still hold.
        let claim = run.claims[..older].last().filter(|claim| claim.sure_end() >= at)?;
        let is_true = run.is_deposed(claim);
        (!is_true).then(|| {
            format!("token {token} lead, though token {} still led: {}", claim.token, describe(run, claim))
        })
    }
}
