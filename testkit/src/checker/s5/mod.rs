//! S5: what an observer sees is an in-order subsequence of the truth, and ends equal to it.
//!
//! The true sequence is that of the records, of which a history knows the winners' tokens, and, by the
//! values, whose campaign a record belongs to: also that of one who was killed, or dropped his campaign, before he
//! learned that he had won.

mod newest;
mod order;

use super::facts::Facts;
use super::run::Run;
use super::violation::Violation;

pub(super) fn check(run: &Run<'_>, facts: &Facts) -> Vec<Violation> {
    let mut violations = order::check(run);
    violations.extend(newest::check(run, facts));
    violations
}
