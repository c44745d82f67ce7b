//! S3: the sink accepts no token below its maximum, and no unit of work twice.

use std::collections::{HashMap, HashSet};

use super::facts::Facts;
use super::run::Run;
use super::violation::{Law, Violation};
use crate::contender::Row;
use crate::history::{Op, Phase};

/// `None` if there was no sink.
pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Option<Vec<Violation>> {
    let rows = facts.sink.as_deref()?;
    let mut violations = accepted(run, rows);
    violations.extend(answered(run, rows));
    Some(violations)
}

/// What the sink took, in its order.
fn accepted(run: &Run<'_>, rows: &[Row]) -> Vec<Violation> {
    let mut highest: Option<&Row> = None;
    let mut done: HashMap<u64, &Row> = HashMap::new();
    let mut violations = Vec::new();
    for row in rows {
        if let Some(highest) = highest.filter(|highest| highest.token > row.token) {
            violations.push(at(run, row, format!(
                "the sink accepted unit {} of {} under token {}, after unit {} of {} under the higher token {}",
                row.unit, row.writer, row.token, highest.unit, highest.writer, highest.token
            )));
        }
        if highest.is_none_or(|highest| row.token >= highest.token) {
            highest = Some(row);
        }
        if let Some(first) = done.insert(row.unit, row) {
            violations.push(at(
                run,
                row,
                format!(
                    "unit {} was done twice: by {} under token {}, and by {} under token {}",
                    row.unit, first.writer, first.token, row.writer, row.token
                ),
            ));
        }
    }
    violations
}

/// What the writers were told, against what the sink took.
fn answered(run: &Run<'_>, rows: &[Row]) -> Vec<Violation> {
    let taken: HashSet<(u64, u64)> = rows.iter().map(|row| (row.unit, row.token)).collect();
    let mut violations = Vec::new();
    for (event, &process) in run.events.iter().zip(&run.writer).filter(|(event, _)| event.op == Op::Unit) {
        let (Some(unit), Some(token)) = (event.unit, event.token) else { continue };
        let is_taken = taken.contains(&(unit, token));
        let says = match event.phase {
            Phase::Ok if !is_taken => "was told that it is done, and the sink does not have it",
            Phase::Fail if is_taken => "was told that it was refused, and the sink has it",
            _ => continue,
        };
        let says = format!("{} {says}: unit {unit} under token {token}", run.name(process));
        violations.push(Violation { law: Law::S3, says, from_ns: event.mono_ns, until_ns: event.mono_ns });
    }
    violations
}

/// Where the history has that row.
fn at(run: &Run<'_>, row: &Row, says: String) -> Violation {
    let mut events = run.events.iter().filter(|event| {
        event.op == Op::Unit && event.unit == Some(row.unit) && event.token == Some(row.token)
    });
    let from_ns = events.next().map_or(run.span.0, |event| event.mono_ns);
    let until_ns = events.next_back().map_or(from_ns, |event| event.mono_ns);
    Violation { law: Law::S3, says, from_ns, until_ns }
}
