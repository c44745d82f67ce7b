//! [`Margin`]: by how much one claim was over before the next one began.

use serde::Serialize;

use super::run::Run;

/// The narrowest change of leaders of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Margin {
    /// From the old leader's last valid check to the new leader's first: above zero, or they overlapped.
    pub nanos: i64,
    /// The old leader's token.
    pub old: u64,
    /// The new leader's.
    pub new: u64,
}

/// The worst margin over all changes of leaders, and the worst over those in which nobody gave up and the old leader's
/// *deadline* is what counts.
pub(super) fn worst(run: &Run<'_>) -> (Option<Margin>, Option<Margin>) {
    let mut by_checks: Option<Margin> = None;
    let mut by_deadline: Option<Margin> = None;
    for pair in run.claims.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        if run.is_deposed(old) {
            continue;
        }
        let margin = |since: u64| Margin {
            nanos: (i128::from(new.start.earliest) - i128::from(since)) as i64,
            old: old.token,
            new: new.token,
        };
        keep_worst(&mut by_checks, margin(old.last_check.latest));
        if old.given_up.is_none() && old.failed.is_none_or(|failure| failure.lapsed) {
            keep_worst(&mut by_deadline, margin(old.sure_end()));
        }
    }
    (by_checks, by_deadline)
}

fn keep_worst(worst: &mut Option<Margin>, margin: Margin) {
    if worst.is_none_or(|worst| margin.nanos < worst.nanos) {
        *worst = Some(margin);
    }
}

/// How often a leader learned of its end before the deadline it was promised, and its successor began before it, though
/// no administrator had a hand in it. No law is broken, but a renewal was taken for proven that was not.
pub(super) fn withdrawn(run: &Run<'_>) -> usize {
    let is_withdrawn = |pair: &&[super::claim::Claim]| {
        let (old, new) = (&pair[0], &pair[1]);
        let told = old.failed.is_some_and(|failure| !failure.lapsed);
        told && new.start.latest < old.promised && !run.is_deposed(old)
    };
    run.claims.windows(2).filter(is_withdrawn).count()
}
