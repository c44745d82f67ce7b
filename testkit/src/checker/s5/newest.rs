//! The newest state is always delivered, within the bound, when no fault is in the way.

use crate::checker::facts::Facts;
use crate::checker::run::{Run, Stream};
use crate::checker::violation::{Law, Violation};
use crate::history::View;

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let observe = facts.bounds.observe.as_nanos() as u64;
    let recovery = facts.bounds.takeover.as_nanos() as u64;
    let mut violations = Vec::new();
    for stream in &run.streams {
        for claim in &run.claims {
            let until = claim.sure_end().min(stream.ended);
            let since = claim.start.latest.max(stream.began);
            if since + observe > until {
                continue;
            }
            let Some(settled) = run.settled(until, recovery) else { continue };
            let due = since.max(settled) + observe;
            if due > until {
                continue;
            }
            if let Some((at, saw)) = other_than(stream, claim.token, due, until) {
                let says = format!(
                    "the observer {} saw {saw} at {}, and not token {}, which led from {} to {}: \
                     the newest state is delivered within {:?}",
                    run.name(stream.process),
                    run.at(at),
                    claim.token,
                    run.at(claim.start.latest),
                    run.at(claim.sure_end()),
                    facts.bounds.observe,
                );
                let from_ns = claim.start.latest;
                violations.push(Violation { law: Law::S5, says, from_ns, until_ns: at });
            }
        }
        violations.extend(no_end(run, facts, stream));
    }
    violations
}

/// Who saw, at a moment between the two, something else than that token.
fn other_than(stream: &Stream, token: u64, from: u64, until: u64) -> Option<(u64, String)> {
    let after = stream.items.partition_point(|(at, _)| *at <= from);
    let is_it = |view: &View| matches!(view, View::Elected { token: seen, .. } if *seen == token);
    match after.checked_sub(1).map(|last| &stream.items[last].1) {
        None => return Some((from, "nothing".to_owned())),
        Some(view) if !is_it(view) => return Some((from, word(view))),
        Some(_) => {}
    }
    let later = stream.items[after..].iter().take_while(|(at, _)| *at <= until);
    later.filter(|(_, view)| !is_it(view)).map(|(at, view)| (*at, word(view))).next()
}

fn word(view: &View) -> String {
    match view {
        View::Elected { id, token, .. } => format!("{id} lead with token {token}"),
        View::Vacant => "a vacancy".to_owned(),
        View::Disconnected { .. } => "no service".to_owned(),
    }
}

/// When all campaigns had surely gone some time before the end of the stream, it ends with a vacancy.
fn no_end(run: &Run<'_>, facts: &Facts, stream: &Stream) -> Option<Violation> {
    let recovery = facts.bounds.takeover.as_nanos() as u64;
    let gone = run.campaigns.iter().filter(|campaign| campaign.began <= stream.ended);
    let gone = gone.map(|campaign| run.gone_by(campaign, recovery)).max()?;
    let settled = run.settled(stream.ended, recovery)?;
    let due = gone.max(stream.began).max(settled) + facts.bounds.observe.as_nanos() as u64;
    if due > stream.ended {
        return None;
    }
    let last = stream.items.last().map(|(_, view)| view);
    if matches!(last, Some(View::Vacant)) {
        return None;
    }
    let says = format!(
        "the observer {} ended at {} with {}, though all campaigns had ended by {}: it never saw the vacancy",
        run.name(stream.process),
        run.at(stream.ended),
        last.map_or("nothing".to_owned(), word),
        run.at(gone),
    );
    Some(Violation { law: Law::S5, says, from_ns: gone, until_ns: stream.ended })
}
