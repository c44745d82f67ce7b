//! A run that did not do what it is about proves nothing.

use super::story::Of;
use super::*;
use crate::history::{Effect, Fault};

const A: Of = Of("a", 1, 5);
const B: Of = Of("b", 1, 9);

fn verdict(story: &Story, kind: &str, times: usize, exercise: Exercise) -> Verdict {
    let required = vec![Requirement { kind: kind.into(), times, exercise }];
    check(&story.history(), &Facts { required, ..story.facts() }).verdict()
}

/// `a` leads from 1 to 2 s; `whom` is paused from 2.001 s to `until`; then `b` leads.
fn paused(whom: &str, until: u64) -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).fault(
        "pause",
        Effect::Pauses,
        whom,
        2001,
        until,
    );
    story.fails(A, 3100, "Unproven").drops(A, 3101).leads(B, 3102, 4000).resigns(B, 4001);
    story.ends("a", 4500).ends("b", 4500);
    story
}

#[test]
fn a_run_in_which_nobody_led_proves_nothing() {
    let mut story = Story::default();
    story.campaigns(A, 900).cancels(A, 1000).ends("a", 1001);
    assert_eq!(check(&story.history(), &story.facts()).verdict(), Verdict::NotExercised);
}

#[test]
fn a_fault_counts_for_what_it_did() {
    let story = paused("a", 3090);
    for exercise in [Exercise::Began, Exercise::HitLeader, Exercise::OutlastedDeadline, Exercise::TakenOver] {
        assert_eq!(verdict(&story, "pause", 1, exercise), Verdict::Passed, "{exercise:?}");
        assert_eq!(verdict(&story, "pause", 2, exercise), Verdict::NotExercised, "{exercise:?}");
        assert_eq!(verdict(&story, "kill", 1, exercise), Verdict::NotExercised, "{exercise:?}");
    }
    assert_eq!(verdict(&story, "pause", 1, Exercise::Confirmed), Verdict::NotExercised);
}

#[test]
fn a_pause_of_another_or_for_too_short_a_time_does_not_count() {
    assert_eq!(verdict(&paused("b", 3090), "pause", 1, Exercise::Began), Verdict::Passed);
    assert_eq!(verdict(&paused("b", 3090), "pause", 1, Exercise::HitLeader), Verdict::NotExercised);
    assert_eq!(verdict(&paused("a", 2500), "pause", 1, Exercise::HitLeader), Verdict::Passed);
    assert_eq!(verdict(&paused("a", 2500), "pause", 1, Exercise::OutlastedDeadline), Verdict::NotExercised);
}

#[test]
fn a_pause_of_one_who_led_before_does_not_count() {
    let mut story = paused("b", 3090);
    story.fault("late", Effect::Pauses, "a", 4100, 4200);
    assert_eq!(verdict(&story, "late", 1, Exercise::HitLeader), Verdict::NotExercised);
}

#[test]
fn what_only_the_harness_knows_it_must_confirm() {
    for (exercised, expected) in
        [(None, Verdict::NotExercised), (Some(false), Verdict::NotExercised), (Some(true), Verdict::Passed)]
    {
        let mut story = paused("a", 3090);
        story.fault_on(Fault { kind: "minority".into(), exercised, ..Fault::default() }, 1200, 1300);
        assert_eq!(verdict(&story, "minority", 1, Exercise::Confirmed), expected);
    }
}

#[test]
fn a_violation_outweighs_what_was_not_exercised() {
    let mut story = paused("a", 3090);
    story.checks(B, 3900, 3800);
    assert_eq!(verdict(&story, "kill", 1, Exercise::Began), Verdict::Violated);
}
