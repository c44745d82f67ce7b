//! S1 to S4.

use super::story::{MS, Of, VALID};
use super::*;
use crate::contender::Row;
use crate::history::{Effect, Event, Fault, Op, Phase};

const A: Of = Of("a", 1, 5);
const B: Of = Of("b", 1, 9);

/// `a` leads from 1 to 2 s and resigns; `b`, who waited, leads from 2.01 to 3 s and resigns.
fn handover() -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).resigns(A, 2001);
    story.leads(B, 2010, 3000).resigns(B, 3001).ends("a", 3500).ends("b", 3500);
    story
}

#[test]
fn a_handover_breaks_no_law_and_its_margin_is_known() {
    let story = handover();
    let report = check(&story.history(), &story.facts());
    assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    assert_eq!(report.counts.leaderships, 2);
    assert_eq!(report.counts.takeovers, 1);
    // From 2000 ms to 2 µs before 2010 ms.
    let margin = report.margin.unwrap();
    assert_eq!((margin.nanos, margin.old, margin.new), (10 * MS as i64 - 2000, 5, 9));
    assert_eq!(report.undecided, [Law::S3, Law::S5, Law::S6, Law::L3, Law::L5]);
}

#[test]
fn s1_two_who_check_with_success_at_the_same_time() {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).leads(B, 1990, 2500).resigns(A, 2001);
    story.ends("a", 3500).ends("b", 3500);
    let report = check(&story.history(), &story.facts());
    let violation = &report.violations[0];
    assert_eq!(violation.law, Law::S1);
    assert_eq!((violation.from_ns, violation.until_ns), (1990 * MS, 2001 * MS));
    for part in ["a/1 and b/1", "11.000 ms", "token 5", "token 9", "gave up at 1.101000 s"] {
        assert!(violation.says.contains(part), "{part:?} is not in {:?}", violation.says);
    }
}

#[test]
fn s1_a_promise_counts_also_when_nobody_checks() {
    for (begins, law) in [(2000 + VALID - 1, vec![Law::S1]), (2000 + VALID + 1, vec![])] {
        let mut story = Story::default();
        // Killed at 2 s: nobody can say afterwards that he had stopped.
        story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000);
        story.fault("kill", Effect::Kills, "a", 2001, 2003);
        story.leads(B, begins, 4000).resigns(B, 4001).ends("b", 4500);
        assert_eq!(broken(&story), law, "b begins at {begins}");
    }
}

#[test]
fn s1_an_end_that_was_told_before_the_deadline_ends_the_claim() {
    let mut story = Story::default();
    story
        .campaigns(A, 900)
        .campaigns(B, 950)
        .leads(A, 1000, 2000)
        .fails(A, 2100, "SessionExpired")
        .drops(A, 2101);
    story.leads(B, 2102, 3000).resigns(B, 3001).ends("a", 3500).ends("b", 3500);
    let report = check(&story.history(), &story.facts());
    assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    assert_eq!(report.counts.withdrawn, 1, "but the deadline had been promised");
}

#[test]
fn s1_an_end_that_was_told_is_not_dated_to_the_deadline_because_it_was_noticed_after_it() {
    let mut story = Story::default();
    story
        .campaigns(A, 900)
        .campaigns(B, 950)
        .leads(A, 1000, 2000)
        .fails(A, 3000, "SessionExpired")
        .drops(A, 3001);
    story.leads(B, 2800, 3500).resigns(B, 3501).ends("a", 4000).ends("b", 4000);
    assert_eq!(broken(&story), []);
}

#[test]
fn s1_a_claim_lasts_until_it_is_given_up_whatever_its_checks_say_after_that() {
    for (begins, law) in [(1990, vec![Law::S1]), (2003, vec![])] {
        let mut story = Story::default();
        // The last check before the resign is a while before it.
        story
            .campaigns(A, 900)
            .campaigns(B, 950)
            .leads(A, 1000, 1900)
            .resigns(A, 2001)
            .fails(A, 2002, "Closed");
        story.leads(B, begins, 3000).resigns(B, 3001).ends("a", 3500).ends("b", 3500);
        assert_eq!(broken(&story), law, "b begins at {begins}");
    }
}

#[test]
fn s1_a_check_that_was_written_down_late_was_made_before_its_deadline() {
    let mut story = Story::default();
    // One check, begun at 1 s with a deadline of 1.9 s, and written down at 3 s.
    story.campaigns(A, 900).campaigns(B, 950).wins(A, 1000).checks(A, 3000, 1900);
    let check = story.events.last_mut().unwrap();
    check.began_ns = Some(1000 * MS);
    check.clock_ns = Some(1000 * MS + 100);
    story.leads(B, 1500, 2500).resigns(B, 2501).ends("b", 3500);
    let report = super::check(&story.history(), &story.facts());
    let found =
        report.violations.iter().find(|found| found.law == Law::S1).expect("they led at the same time");
    assert_eq!((found.from_ns, found.until_ns), (1900 * MS, 1900 * MS));
}

#[test]
fn s1_what_cannot_be_told_apart_is_no_violation() {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950);
    // One check each, stopped for a second between the clock and the check: who was first is not known.
    for (of, from, until) in [(A, 1000, 2000), (B, 1100, 2100)] {
        story.wins(of, from).checks(of, until, until + 50);
        story.events.last_mut().unwrap().began_ns = Some(from * MS);
        story.fails(of, until + 60, "SessionExpired").drops(of, until + 61);
    }
    story.ends("a", 3500).ends("b", 3500);
    assert!(!broken(&story).contains(&Law::S1));
}

#[test]
fn s1_an_administrator_may_cut_a_claim_short_for_one_push() {
    // The last one hears late that it has won: its record is gone by then.
    for (first, last, law) in [(1000, 2300, vec![]), (1000, 2700, vec![Law::S1]), (2200, 2300, vec![])] {
        let mut story = Story::default();
        story
            .campaigns(A, 900)
            .campaigns(B, 950)
            .leads(A, first, last)
            .fails(A, last + 1, "Deposed")
            .drops(A, last + 2);
        let fault =
            Fault { kind: "delete".into(), effect: Effect::Deposes, token: Some(5), ..Fault::default() };
        story.fault_on(fault, 2000, 2100);
        story.leads(B, 2110, 3000).resigns(B, 3001).ends("a", 3500).ends("b", 3500);
        let found: Vec<Law> = broken(&story).into_iter().filter(|law| *law == Law::S1).collect();
        assert_eq!(found, law, "a checks from {first} until {last}");
    }
}

#[test]
fn s2_a_lower_token_later_and_a_token_twice() {
    let mut story = handover();
    let later = Of("a", 2, 7);
    story.events.retain(|event| event.op != Op::Close && event.op != Op::Run);
    story.campaigns(later, 3100).leads(later, 3110, 3500).resigns(later, 3501);
    assert_eq!(broken(&story), [Law::S2]);

    let mut story = handover();
    for event in &mut story.events {
        event.token = event.token.map(|token| if token == 9 { 5 } else { token });
    }
    assert_eq!(broken(&story), [Law::S2]);
}

fn row(place: u64, unit: u64, token: u64) -> Row {
    Row { place, unit, token, writer: "a/1".into() }
}

#[test]
fn s3_the_sink_is_compared_with_itself_and_with_what_the_writers_were_told() {
    let story = handover();
    let with = |rows: Vec<Row>| Facts { sink: Some(rows), ..story.facts() };
    assert!(broken_with(&story, &with(vec![row(1, 1, 5), row(2, 2, 5), row(3, 3, 9)])).is_empty());
    assert_eq!(broken_with(&story, &with(vec![row(1, 1, 9), row(2, 2, 5)])), [Law::S3]);
    assert_eq!(broken_with(&story, &with(vec![row(1, 1, 5), row(2, 1, 9)])), [Law::S3]);

    for (phase, rows, law) in [
        (Phase::Ok, vec![row(1, 1, 5)], vec![]),
        (Phase::Ok, vec![], vec![Law::S3]),
        (Phase::Fail, vec![], vec![]),
        (Phase::Fail, vec![row(1, 1, 5)], vec![Law::S3]),
        // Killed before the answer: either is right.
        (Phase::Info, vec![row(1, 1, 5)], vec![]),
        (Phase::Info, vec![], vec![]),
    ] {
        let mut story = handover();
        story.add("a", 1500, Event { unit: Some(1), token: Some(5), ..Event::new(Op::Unit, phase) });
        let facts = Facts { sink: Some(rows), ..story.facts() };
        assert_eq!(broken_with(&story, &facts), law, "{phase:?}");
    }
}

#[test]
fn s4_a_check_after_the_deadline_after_a_failure_or_after_a_long_pause() {
    let mut story = handover();
    story.checks(A, 1950, 1900);
    assert_eq!(broken(&story), [Law::S4]);

    let mut story = handover();
    story.fails(A, 1950, "SessionExpired");
    assert_eq!(broken(&story), [Law::S4, Law::L4], "and its resign should have been refused");

    for (until, law) in [(1900, vec![]), (2300, vec![Law::S4])] {
        let mut story = Story::default();
        story.campaigns(A, 900).leads(A, 1000, 1100).fault("pause", Effect::Pauses, "a", 1101, until);
        story.checks(A, until + 1, until + 100).resigns(A, until + 2).ends("a", until + 10);
        assert_eq!(broken(&story), law, "paused until {until}");
    }
}
