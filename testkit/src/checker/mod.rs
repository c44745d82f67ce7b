//! The checker: whether what the processes of a run recorded is what the contract allows.
//!
//! [`check`] decides the laws S1–S6 and L1–L5 of the contract on a [`History`] and what the harness knows besides
//! ([`Facts`]). It is a pure function. Each law has a file of its own; [`claim`](Claim) says what a history proves about
//! a claim, and why there are neither false alarms nor blind spots. A law about which nothing is known is reported as
//! undecided, and a run that did not exercise its faults as [`Verdict::NotExercised`].
//!
//! [`render`] draws the time around a violation as SVG, and [`render_all`] a whole run.
//!
//! # What counts as a violation where time is involved
//! The safety laws (S) need no bound: they compare stamps of one clock. The liveness laws (L) speak of
//! bounds ([`Bounds`]), and only of times in which no fault is active.

mod claim;
mod clocks;
mod exercise;
mod facts;
mod l1;
mod l2;
mod l3;
mod l4;
mod l5;
mod margin;
mod parse;
mod report;
mod run;
mod s1;
mod s2;
mod s3;
mod s4;
mod s5;
mod s6;
#[cfg(test)]
mod tests;
mod timeline;
mod violation;

pub use claim::{Bracket, Claim, Failure};
pub use facts::{Bounds, Exercise, Facts, Left, Requirement};
pub use margin::Margin;
pub use report::{Counts, Report, Verdict};
pub use run::{Campaign, Outcome, Process, Run, Snapshot, Stream, Trouble};
pub use timeline::{render, render_all};
pub use violation::{Law, Violation};

use crate::history::History;

/// Checks a run against the contract.
#[must_use]
pub fn check(history: &History, facts: &Facts) -> Report {
    let run = Run::of(history, &facts.election);
    let mut report = Report::new(history, &run);
    let laws = [
        (Law::S1, Some(s1::check(&run, facts))),
        (Law::S2, Some(s2::check(&run))),
        (Law::S3, s3::check(&run, facts)),
        (Law::S4, Some(s4::check(&run, facts))),
        (Law::S5, (!run.streams.is_empty()).then(|| s5::check(&run, facts))),
        (Law::S6, (!run.streams.is_empty()).then(|| s6::check(&run))),
        (Law::L1, Some(l1::check(&run, facts))),
        (Law::L2, Some(l2::check(&run, facts))),
        (Law::L3, l3::check(&run, facts)),
        (Law::L4, Some(l4::check(&run, facts))),
        (Law::L5, l5::check(&run, facts)),
    ];
    for (law, found) in laws {
        match found {
            Some(violations) => report.violations.extend(violations),
            None => report.undecided.push(law),
        }
    }
    report.not_exercised = exercise::check(&run, facts);
    report
}
