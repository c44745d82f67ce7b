//! Tiny histories, written by hand: each law kept, and each law broken.

mod exercise;
mod liveness;
mod observers;
mod picture;
mod random;
mod safety;
mod story;
mod time;

use super::*;
use story::Story;

/// The laws that the story breaks.
fn broken(story: &Story) -> Vec<Law> {
    broken_with(story, &story.facts())
}

fn broken_with(story: &Story, facts: &Facts) -> Vec<Law> {
    let report = check(&story.history(), facts);
    let mut laws: Vec<Law> = report.violations.iter().map(|violation| violation.law).collect();
    laws.dedup();
    laws
}
