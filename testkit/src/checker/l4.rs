//! L4: resign ends the leadership whatever it answers, is refused when it had ended, and never harms a successor.

use std::collections::{HashMap, HashSet};

use super::facts::Facts;
use super::run::Run;
use super::violation::{Law, Violation};
use crate::history::{Op, Phase};

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let mut violations = ended(run);
    violations.extend(harmed(run, facts));
    violations
}

/// What one leadership has said so far.
#[derive(Default)]
struct Said {
    /// A check failed for another reason than that it was given up.
    lost: Option<u64>,
    /// From here on every check fails.
    ended: Option<u64>,
    /// The resign was begun.
    resigned: Option<u64>,
}

/// What a leadership may say after its end.
fn ended(run: &Run<'_>) -> Vec<Violation> {
    let mut said: HashMap<(usize, Option<u64>), Said> = HashMap::new();
    let mut violations = Vec::new();
    for (event, &process) in run.events.iter().zip(&run.writer) {
        if !matches!(event.op, Op::Check | Op::Resign | Op::Drop) {
            continue;
        }
        let said = said.entry((process, event.number)).or_default();
        let now = Some(event.mono_ns);
        let (complaint, from_ns) = match (event.op, event.phase) {
            (Op::Check, Phase::Fail) => {
                if event.reason.as_deref() != Some("Closed") {
                    said.lost = said.lost.or(now);
                }
                continue;
            }
            (Op::Check, _) => match said.ended.filter(|ended| *ended <= event.earliest()) {
                Some(at) => (format!("a check succeeded, though it was given up by {}", run.at(at)), at),
                None => continue,
            },
            (Op::Resign, Phase::Invoke) => {
                said.resigned = now;
                continue;
            }
            (Op::Resign, Phase::Info) if event.reason.as_deref() == Some("hangs") => {
                ("resign did not return".to_owned(), said.resigned.unwrap_or(event.mono_ns))
            }
            (Op::Resign, Phase::Ok) => match said.lost.filter(|lost| Some(*lost) < said.resigned) {
                Some(at) => (
                    format!("resign said yes, though it was lost by {}: it is NotLeader then", run.at(at)),
                    at,
                ),
                None => continue,
            },
            (Op::Resign, Phase::Info) | (Op::Drop, Phase::Ok) => {
                said.ended = said.ended.or(now);
                continue;
            }
            _ => continue,
        };
        let token = event.token.unwrap_or_default();
        let says =
            format!("{} with token {token}, at {}: {complaint}", run.name(process), run.at(event.mono_ns));
        violations.push(Violation { law: Law::L4, says, from_ns, until_ns: event.mono_ns });
    }
    violations
}

/// Records that vanish although no administrator took them: somebody removed what was not his.
fn harmed(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let recent = facts.bounds.takeover.as_nanos() as u64;
    let mut violations = Vec::new();
    let mut told = HashSet::new();
    for (event, &process) in run.events.iter().zip(&run.writer) {
        // A check can notice it before the task that waits for it has run.
        let is_told = event.op == Op::Lost || (event.op, event.phase) == (Op::Check, Phase::Fail);
        if !is_told || event.reason.as_deref() != Some("Deposed") || !told.insert(event.token) {
            continue;
        }
        let claim = run.claims.iter().find(|claim| Some(claim.token) == event.token);
        let Some(claim) = claim.filter(|claim| !run.is_deposed(claim)) else { continue };
        let suspects: Vec<String> = run
            .claims
            .iter()
            .filter(|other| other.token < claim.token)
            .filter(|other| {
                other.given_up.is_some_and(|at| at + recent >= event.mono_ns && at <= event.mono_ns)
            })
            .map(|other| format!("{} gave up token {}", run.name(other.process), other.token))
            .collect();
        let says = format!(
            "the record of {} with token {} was deleted by {}, and no administrator did it; shortly before: {}",
            run.name(process),
            claim.token,
            run.at(event.mono_ns),
            if suspects.is_empty() { "nothing that is known".to_owned() } else { suspects.join(", ") },
        );
        let from_ns = claim.last_check.earliest;
        violations.push(Violation { law: Law::L4, says, from_ns, until_ns: event.mono_ns });
    }
    violations
}
