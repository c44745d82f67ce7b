//! L1 to L5.

use super::story::{Of, VALID};
use super::*;
use crate::history::{Effect, Event, Fault, Op, Phase};

const A: Of = Of("a", 1, 5);
const B: Of = Of("b", 1, 9);

/// `a` is killed at 2 s; `b` takes over at `at`.
fn takeover(at: u64) -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).fault(
        "kill",
        Effect::Kills,
        "a",
        2001,
        2003,
    );
    story.leads(B, at, at + 1000).resigns(B, at + 1001).ends("b", at + 1010);
    story
}

#[test]
fn l1_a_takeover_within_the_bound_after_the_last_fault() {
    assert_eq!(broken(&takeover(4000)), []);
    assert_eq!(broken(&takeover(4100)), [Law::L1]);
    // A fault that lasts moves the bound to its end.
    let mut story = takeover(4700);
    story.fault_on(Fault { kind: "cut".into(), ..Fault::default() }, 2500, 3000);
    assert_eq!(broken(&story), []);
}

/// As a member does that goes on serving the others: after its last leadership it is no live candidate.
#[test]
fn l1_who_rests_contends_no_more() {
    let mut story = Story::default();
    story.campaigns(A, 900).leads(A, 1000, 2000).resigns(A, 2001);
    story.add("a", 2002, Event::new(Op::Run, Phase::Info));
    story.campaigns(B, 9000).leads(B, 9010, 9500).resigns(B, 9501).ends("b", 9502);
    assert_eq!(broken(&story), []);
}

#[test]
fn l1_without_a_candidate_nobody_need_lead() {
    let mut story = Story::default();
    story.campaigns(A, 900).leads(A, 1000, 2000).resigns(A, 2001).ends("a", 2002);
    story.campaigns(B, 7000).leads(B, 7010, 8000).resigns(B, 8001).ends("b", 8002);
    assert_eq!(broken(&story), []);
}

#[test]
fn l2_a_waiter_is_woken_by_a_resign() {
    for (at, law) in [(2400, vec![]), (2600, vec![Law::L2])] {
        let mut story = Story::default();
        story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).resigns(A, 2001);
        story.leads(B, at, 3000).resigns(B, 3001).ends("a", 3500).ends("b", 3500);
        assert_eq!(broken(&story), law, "woken at {at}");
    }
    // Who withdrew meanwhile need not be woken.
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).resigns(A, 2001).cancels(B, 2300);
    story.ends("a", 3500).ends("b", 3500);
    assert_eq!(broken(&story), []);
}

#[test]
fn l3_nothing_is_left_behind() {
    let story = takeover(3500);
    let with = |records: Vec<Left>| Facts { records: Some(records), ..story.facts() };
    assert_eq!(broken_with(&story, &with(vec![])), []);
    let facts = with(vec![Left { token: 5, value: "a/1/1".into() }]);
    let report = check(&story.history(), &facts);
    assert_eq!(report.violations[0].law, Law::L3);
    assert!(report.violations[0].says.contains("was won"), "{}", report.violations[0]);

    // Looked at in between: gone within the takeover bound after the kill, which is itself a fault to recover from.
    for (at, law) in [(3900, vec![]), (6200, vec![Law::L3])] {
        let mut story = takeover(3500);
        story.look(at, &[5, 9]);
        assert_eq!(broken(&story), law, "looked at {at}");
    }
}

#[test]
fn l4_a_resign_ends_it_and_is_refused_when_it_had_ended() {
    let handover = |mutate: &dyn Fn(&mut Story)| {
        let mut story = Story::default();
        story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).resigns(A, 2001);
        story.leads(B, 2010, 3000);
        mutate(&mut story);
        story.ends("a", 3500).ends("b", 3500);
        broken(&story)
    };
    assert_eq!(
        handover(&|story| {
            story.resigns(B, 3001);
        }),
        []
    );
    let check_after = handover(&|story| {
        story.resigns(B, 3001).checks(B, 3005, 3900);
    });
    assert_eq!(check_after, [Law::L4]);
    let confirmed_late = handover(&|story| {
        story.fails(B, 3001, "Unproven").resigns(B, 3010);
    });
    assert_eq!(confirmed_late, [Law::L4]);
    let refused = handover(&|story| {
        story.fails(B, 3001, "Unproven");
        let event = |phase| Event { number: Some(1), token: Some(9), ..Event::new(Op::Resign, phase) };
        story.add("b", 3010, event(Phase::Invoke)).add("b", 3011, event(Phase::Fail));
    });
    assert_eq!(refused, []);
    let hangs = handover(&|story| {
        let event = |phase| Event { number: Some(1), token: Some(9), ..Event::new(Op::Resign, phase) };
        story.add("b", 3010, event(Phase::Invoke));
        story.add("b", 3400, Event { reason: Some("hangs".into()), ..event(Phase::Info) });
    });
    assert_eq!(hangs, [Law::L4]);
}

/// `b` loses its record at 2.5 s.
fn deposed() -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).resigns(A, 2001).leads(B, 2010, 2500);
    let lost = Event {
        number: Some(1),
        token: Some(9),
        reason: Some("Deposed".into()),
        ..Event::new(Op::Lost, Phase::Info)
    };
    story.add("b", 2501, lost).fails(B, 2502, "Deposed").drops(B, 2503).ends("a", 3500).ends("b", 3500);
    story
}

#[test]
fn l4_only_an_administrator_takes_a_leaders_record() {
    let report = check(&deposed().history(), &deposed().facts());
    assert_eq!(report.violations[0].law, Law::L4);
    assert!(report.violations[0].says.contains("a/1 gave up token 5"), "{}", report.violations[0]);

    let mut unheard = deposed();
    unheard.events.retain(|event| event.op != Op::Lost);
    assert_eq!(broken(&unheard), [Law::L4], "a check notices it, too");

    // Before the last check, and between that and the one that failed.
    for from in [2450, 2501] {
        let mut story = deposed();
        let fault =
            Fault { kind: "delete".into(), effect: Effect::Deposes, token: Some(9), ..Fault::default() };
        story.fault_on(fault, from, from + 1);
        assert_eq!(broken(&story), [], "deleted at {from}");

        // Another election may have the same token.
        let faults = story.events.iter_mut().filter(|event| event.op == Op::Fault);
        faults.for_each(|event| "another".clone_into(&mut event.election));
        assert_eq!(broken(&story), [Law::L4], "deleted at {from} from another election");
    }
}

#[test]
fn l5_who_has_no_record_does_not_claim() {
    for (tokens, law) in [(vec![9], vec![]), (vec![11], vec![Law::L5])] {
        let mut story = takeover(2000 + VALID + 10);
        story.look(3200, &tokens);
        assert_eq!(broken(&story), law, "{tokens:?}");
    }
    // A waiter that was paused for longer than its session lives has no record when it wakes.
    for (until, law) in [(3900, vec![]), (4200, vec![Law::L5])] {
        let mut story = Story::default();
        story.campaigns(A, 900).leads(A, 1000, 5000).campaigns(B, 950).fault(
            "pause",
            Effect::Pauses,
            "b",
            2000,
            until,
        );
        story.resigns(A, 5001).leads(B, 5002, 5500).resigns(B, 5501).ends("a", 5600).ends("b", 5600);
        assert_eq!(broken(&story), law, "paused until {until}");
    }
    // Deleted at 3 s: half a second later at the latest it must be known.
    for (at, law) in [(3000, vec![Law::L5]), (3450, vec![])] {
        let mut story = takeover(2000 + VALID + 10);
        let fault =
            Fault { kind: "delete".into(), effect: Effect::Deposes, token: Some(9), ..Fault::default() };
        story.fault_on(fault, at, at + 5);
        assert_eq!(broken(&story), law, "deleted at {at}");
    }
}
