//! S5 and S6.

use super::story::Of;
use super::*;
use crate::history::{Effect, Fault, View};

const A: Of = Of("a", 1, 5);
const B: Of = Of("b", 1, 9);

/// `a` leads from 1 to 2 s, then `b` from 2.01 to 3 s; both are gone after that.
fn truth() -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).resigns(A, 2001);
    story.leads(B, 2010, 3000).resigns(B, 3001).ends("a", 3500).ends("b", 3500);
    story
}

#[test]
fn the_truth_is_the_truth_also_with_states_left_out_and_outages() {
    let mut story = truth();
    story.observes("o", 1, 800).views("o", 1, 801, View::Vacant).sees("o", 1, 1001, A).sees("o", 1, 2012, B);
    story.views("o", 1, 3003, View::Vacant).looks_away("o", 1, 9000);
    // The first leader is left out, and an outage is reported.
    story.observes("p", 1, 800).views("p", 1, 801, View::Vacant).sees("p", 1, 1002, A);
    story.views("p", 1, 2500, View::Disconnected { last: Some(5) });
    story.fault_on(Fault { kind: "cut".into(), ..Fault::default() }, 2400, 2700);
    story.sees("p", 1, 2701, B).views("p", 1, 3003, View::Vacant).looks_away("p", 1, 9000);
    assert_eq!(broken(&story), []);
}

/// What is said of the one law that the story breaks.
fn complaint(story: &Story) -> String {
    let report = check(&story.history(), &story.facts());
    let complaints: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(!complaints.is_empty(), "nothing was found");
    complaints.join("\n")
}

#[test]
fn s5_nothing_is_seen_in_another_order() {
    let mut story = truth();
    story.observes("o", 1, 800).sees("o", 1, 2012, B).sees("o", 1, 2013, A).looks_away("o", 1, 2014);
    assert!(complaint(&story).contains("tokens never decrease along a stream"));

    let mut story = truth();
    story.observes("o", 1, 800).sees("o", 1, 1100, A).views("o", 1, 2005, View::Vacant);
    story.sees("o", 1, 2006, A).looks_away("o", 1, 2007);
    assert!(complaint(&story).contains("an end is final"));
}

#[test]
fn s5_nothing_is_seen_that_is_not() {
    let early = Of("c", 1, 5);
    for (at, who, says) in [
        (1100, Of("stranger", 1, 5), "nobody campaigned with"),
        (1100, Of("a", 2, 5), "nobody campaigned with"),
        (1100, Of("a", 1, 4), "who won with token 5"),
        (1100, B, "though token 5 still led"),
        (1100, early, "who began to campaign only at"),
    ] {
        let mut story = truth();
        story.campaigns(early, 1200).cancels(early, 1201);
        story.observes("o", 1, 800).sees("o", 1, at, who).looks_away("o", 1, at + 1);
        assert!(complaint(&story).contains(says), "{who:?}: {}", complaint(&story));
    }
    let mut story = truth();
    story
        .observes("o", 1, 800)
        .sees("o", 1, 1100, A)
        .views("o", 1, 1200, View::Vacant)
        .looks_away("o", 1, 1201);
    assert!(complaint(&story).contains("a vacancy, though token 5 still led"));
}

#[test]
fn s5_the_newest_state_is_delivered() {
    // From 1 s on `a` leads; half a second later it must have been seen.
    for (seen, law) in [(1400, vec![]), (1700, vec![Law::S5])] {
        let mut story = truth();
        story
            .observes("o", 1, 990)
            .views("o", 1, 991, View::Vacant)
            .sees("o", 1, seen, A)
            .looks_away("o", 1, 1900);
        assert_eq!(broken(&story), law, "seen at {seen}");
    }
    // The last vacancy: it was confirmed at 3.002 s.
    for (until, law) in [(3450, vec![]), (3600, vec![Law::S5])] {
        let mut story = truth();
        story.observes("o", 1, 2100).sees("o", 1, 2101, B).looks_away("o", 1, until);
        assert_eq!(broken(&story), law, "looked until {until}");
    }
}

#[test]
fn s5_a_fault_is_an_excuse_until_it_has_been_over_for_the_bound() {
    let mut story = truth();
    story.observes("o", 1, 990).views("o", 1, 991, View::Vacant).looks_away("o", 1, 1900);
    assert_eq!(broken(&story), [Law::S5]);
    story.fault("cut", Effect::Disturbs, "o", 995, 1850);
    assert_eq!(broken(&story), []);
}

#[test]
fn s6_an_observation_begun_after_a_claim_reports_nothing_older() {
    let mut story = truth();
    story.observes("o", 1, 2500).sees("o", 1, 2501, A).looks_away("o", 1, 2502);
    assert!(broken(&story).contains(&Law::S6));

    let mut story = truth();
    story.observes("o", 1, 2500).views("o", 1, 2501, View::Vacant).looks_away("o", 1, 2502);
    assert_eq!(broken(&story), [Law::S6], "a vacancy is older than the claim, too");

    // Begun before the claim was: the older state was present then.
    let mut story = truth();
    story.observes("o", 1, 1999).sees("o", 1, 2020, A).looks_away("o", 1, 2021);
    assert_eq!(broken(&story), []);
}
