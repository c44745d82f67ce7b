//! The timeline: what a run looks like, as SVG.
//!
//! | drawn | means |
//! | --- | --- |
//! | dark bar with a number | a claim with that token, from its first to its last successful check |
//! | hatched bar after it | its promise: up to its deadline, or until it was given up or known to be lost |
//! | thin line | a campaign that waits |
//! | box in an observer's lane | what it sees: a token, `–` for a vacancy, `?` for no service |
//! | dotted band | a fault, with its kind above |
//! | dashed frame | the violation |
//!
//! Nothing depends on colour. Every shape carries a `<title>` that says all about it.

mod svg;

use super::claim::Claim;
use super::run::{Outcome, Run, Stream, Trouble};
use super::s1::describe;
use super::violation::Violation;
use crate::history::{History, View};
use svg::{Canvas, Scale};

/// Draws the time around a violation.
#[must_use]
pub fn render(history: &History, election: &str, violation: &Violation) -> String {
    let run = Run::of(history, election);
    let lasts = violation.until_ns - violation.from_ns;
    let around = (lasts * 2).max(300_000_000);
    let from = violation.from_ns.saturating_sub(around).max(run.span.0);
    let until = (violation.until_ns + around).min(run.span.1);
    draw(&run, (from, until), Some(violation))
}

/// Draws a whole run.
#[must_use]
pub fn render_all(history: &History, election: &str) -> String {
    let run = Run::of(history, election);
    draw(&run, run.span, None)
}

/// One process to a lane; the starts of one id share it.
fn lanes(run: &Run<'_>) -> Vec<String> {
    let active = |process: usize| {
        run.campaigns.iter().any(|campaign| campaign.process == process)
            || run.streams.iter().any(|stream| stream.process == process)
    };
    let mut lanes: Vec<String> = (0..run.processes.len())
        .filter(|process| active(*process))
        .map(|process| run.processes[process].id.clone())
        .collect();
    lanes.sort();
    lanes.dedup();
    lanes
}

fn draw(run: &Run<'_>, window: (u64, u64), violation: Option<&Violation>) -> String {
    let lanes = lanes(run);
    let mut canvas = Canvas::new(Scale::new(run.span.0, window), lanes.len());
    let lane = |process: usize| lanes.iter().position(|id| *id == run.processes[process].id);
    for trouble in &run.troubles {
        fault(&mut canvas, run, trouble);
    }
    for (index, id) in lanes.iter().enumerate() {
        canvas.lane(index, id);
    }
    for campaign in &run.campaigns {
        if let Some(lane) = lane(campaign.process) {
            let how = match campaign.outcome {
                Outcome::Won(token) => format!("won token {token}"),
                Outcome::Failed => "failed".to_owned(),
                Outcome::Dropped => "was dropped".to_owned(),
                Outcome::Open => "did not end".to_owned(),
            };
            let name = run.name(campaign.process);
            let title = format!("{name}: campaign {} {how} at {}", campaign.number, run.at(campaign.ended));
            canvas.line(lane, campaign.began, campaign.ended, &title);
        }
    }
    for own in &run.claims {
        if let Some(lane) = lane(own.process) {
            claim(&mut canvas, run, own, lane);
        }
    }
    for observation in &run.streams {
        if let Some(lane) = lane(observation.process) {
            stream(&mut canvas, run, observation, lane);
        }
    }
    if let Some(violation) = violation {
        canvas.frame(violation.from_ns, violation.until_ns, &violation.to_string());
    }
    canvas.finish()
}

fn claim(canvas: &mut Canvas, run: &Run<'_>, claim: &Claim, lane: usize) {
    let title = describe(run, claim);
    let checked = claim.last_check.earliest.max(claim.start.latest);
    canvas.bar(lane, "promise", checked, claim.sure_end(), "", &title);
    canvas.bar(lane, "claim", claim.start.latest, checked, &claim.token.to_string(), &title);
}

fn stream(canvas: &mut Canvas, run: &Run<'_>, stream: &Stream, lane: usize) {
    let ends = stream.items.iter().skip(1).map(|(at, _)| *at).chain([stream.ended]);
    for ((at, view), end) in stream.items.iter().zip(ends) {
        let text = match view {
            View::Elected { token, .. } => token.to_string(),
            View::Vacant => "–".to_owned(),
            View::Disconnected { .. } => "?".to_owned(),
        };
        let title = format!("{} saw {view:?} at {}", run.name(stream.process), run.at(*at));
        canvas.bar(lane, "view", *at, end, &text, &title);
    }
}

fn fault(canvas: &mut Canvas, run: &Run<'_>, trouble: &Trouble) {
    let fault = &trouble.fault;
    let title =
        format!("{} {} from {} to {}", fault.kind, fault.target, run.at(trouble.began), run.at(trouble.over));
    canvas.band(trouble.began, trouble.over, &fault.kind, &title);
}
