//! Random true histories break no law, and a lie that is put into one breaks the law it should.

use proptest::prelude::*;
use proptest::sample::Index;

use super::story::{MS, Of, VALID};
use super::*;
use crate::contender::Row;
use crate::history::{Effect, Op, View};

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Copy, Debug)]
enum Leave {
    Resign,
    Drop,
    Kill,
    Lapse,
}

/// One leadership: whose, for how long, how it ends, and what passes until the next one can begin.
#[derive(Clone, Debug)]
struct Turn {
    who: usize,
    lasts: u64,
    leave: Leave,
    gap: u64,
    lag: u64,
}

/// A true history, and the leaderships in it, with the moment up to which each one surely held.
struct Truth {
    story: Story,
    facts: Facts,
    led: Vec<(Of, u64)>,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let leave = prop_oneof![
        4 => Just(Leave::Resign), 2 => Just(Leave::Drop), 1 => Just(Leave::Kill), 1 => Just(Leave::Lapse)
    ];
    let turn = (0..IDS.len(), 50..1500u64, leave, 5..300u64, 1..200u64);
    let turn = turn.prop_map(|(who, lasts, leave, gap, lag)| Turn { who, lasts, leave, gap, lag });
    prop::collection::vec(turn, 2..12)
}

fn truth(turns: &[Turn]) -> Truth {
    let mut story = Story::default();
    let mut campaigns = [0; IDS.len()];
    let mut killed = [false; IDS.len()];
    let (mut led, mut rows) = (Vec::new(), Vec::new());
    let (mut at, mut token, mut seen_at) = (1000, 1, 0);
    story.observes("o", 1, 990).views("o", 1, 991, View::Vacant);
    for turn in turns {
        let Some(who) = (0..IDS.len()).map(|i| (turn.who + i) % IDS.len()).find(|who| !killed[*who]) else {
            break;
        };
        campaigns[who] += 1;
        token += turn.gap;
        let of = Of(IDS[who], campaigns[who], token);
        story.campaigns(of, at - 1).leads(of, at, at + turn.lasts);
        rows.push(Row { place: rows.len() as u64, unit: rows.len() as u64, token, writer: String::new() });
        // Nothing is seen before it is true, nor after what came later.
        seen_at = (at + turn.lag).max(seen_at + 1);
        story.sees("o", 1, seen_at, of);
        let end = at + turn.lasts + 1;
        let held = match turn.leave {
            Leave::Resign => {
                story.resigns(of, end);
                end
            }
            Leave::Drop => {
                story.drops(of, end);
                end
            }
            Leave::Kill => {
                story.fault("kill", Effect::Kills, IDS[who], end, end + 2);
                killed[who] = true;
                end - 1 + VALID
            }
            Leave::Lapse => {
                let lapsed = end - 1 + VALID;
                story.fails(of, lapsed + 1, "Unproven").drops(of, lapsed + 2);
                lapsed
            }
        };
        led.push((of, held));
        at = held + turn.gap + 2;
    }
    seen_at = at.max(seen_at + 1);
    story.views("o", 1, seen_at, View::Vacant);
    for (who, id) in IDS.iter().enumerate().filter(|(who, _)| campaigns[*who] > 0 && !killed[*who]) {
        story.ends(id, at + who as u64);
    }
    story.looks_away("o", 1, seen_at + 9000);
    let facts = Facts { records: Some(Vec::new()), sink: Some(rows), ..story.facts() };
    Truth { story, facts, led }
}

/// The lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    Shift,
    Swap,
    Reuse,
    LateCheck,
    OldRow,
    NoVacancy,
    Backwards,
    Unheard,
}

const LIES: [(Lie, Law); 8] = [
    (Lie::Shift, Law::S1),
    (Lie::Swap, Law::S2),
    (Lie::Reuse, Law::S2),
    (Lie::LateCheck, Law::S4),
    (Lie::OldRow, Law::S3),
    (Lie::NoVacancy, Law::S5),
    (Lie::Backwards, Law::S5),
    (Lie::Unheard, Law::S6),
];

fn tell(lie: Lie, truth: &mut Truth, first: usize) {
    let (old, held) = truth.led[first];
    let (new, _) = truth.led[first + 1];
    let story = &mut truth.story;
    match lie {
        // One millisecond before the old claim has surely ended.
        Lie::Shift => drop(story.checks(new, held - 1, held + 500).events.len()),
        Lie::Swap => {
            for event in &mut story.events {
                event.token = match event.token {
                    Some(token) if token == old.2 => Some(new.2),
                    Some(token) if token == new.2 => Some(old.2),
                    token => token,
                };
            }
        }
        Lie::Reuse => {
            for event in story.events.iter_mut().filter(|event| event.token == Some(new.2)) {
                event.token = Some(old.2);
            }
        }
        Lie::LateCheck => {
            let check =
                story.events.iter_mut().rfind(|event| event.op == Op::Check && event.token == Some(new.2));
            let check = check.unwrap();
            check.valid_until = check.clock_ns.map(|clock| clock - 1);
            check.phase = crate::history::Phase::Ok;
        }
        Lie::OldRow => truth.facts.sink.as_mut().unwrap()[first + 1].token = old.2 - 1,
        Lie::NoVacancy => {
            let last = story.events.iter().rposition(|event| event.view == Some(View::Vacant)).unwrap();
            story.events.remove(last);
        }
        Lie::Backwards => {
            let sees = |token| move |event: &crate::history::Event| matches!(event.view, Some(View::Elected { token: seen, .. }) if seen == token);
            let (i, j) = (
                story.events.iter().position(sees(old.2)).unwrap(),
                story.events.iter().position(sees(new.2)).unwrap(),
            );
            let view = story.events[i].view.take();
            story.events[i].view = story.events[j].view.replace(view.unwrap());
        }
        Lie::Unheard => {
            let claimed =
                story.events.iter().find(|event| event.op == Op::Check && event.token == Some(new.2));
            let at = claimed.unwrap().mono_ns / MS + 1;
            story.observes("p", 1, at).sees("p", 1, at + 1, old).looks_away("p", 1, at + 2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_true_history_breaks_no_law(turns in turns()) {
        let truth = truth(&turns);
        let report = check(&truth.story.history(), &truth.facts);
        prop_assert_eq!(report.verdict(), Verdict::Passed, "{}", report);
        prop_assert_eq!(report.counts.leaderships, truth.led.len());
        prop_assert!(report.margin.is_none_or(|margin| margin.nanos > 0), "{}", report);
    }

    #[test]
    fn a_lie_is_found(turns in turns(), lie in 0..LIES.len(), at in any::<Index>()) {
        let mut truth = truth(&turns);
        prop_assume!(truth.led.len() > 1);
        let (lie, law) = LIES[lie];
        let first = at.index(truth.led.len() - 1);
        tell(lie, &mut truth, first);
        let report = check(&truth.story.history(), &truth.facts);
        prop_assert!(report.violations.iter().any(|found| found.law == law), "{:?} at {}: {}", lie, first, report);
        for violation in &report.violations {
            prop_assert!(roxmltree::Document::parse(&render(&truth.story.history(), "e", violation)).is_ok());
        }
    }
}

/// Ten minutes of leaderships of a third of a second. What is quadratic in the lines would not end here.
#[test]
fn a_long_run_is_checked_too() {
    let turn = |i: usize| Turn {
        who: i % IDS.len(),
        lasts: 300,
        leave: if i.is_multiple_of(3) { Leave::Drop } else { Leave::Resign },
        gap: 5,
        lag: 3,
    };
    let turns: Vec<Turn> = (0..2000).map(turn).collect();
    let mut truth = truth(&turns);
    let story = &mut truth.story;
    let led: Vec<(Of, u64)> = truth.led.clone();
    for (number, &(of, held)) in led.iter().enumerate() {
        // Every 2 ms, and an observation that sees it.
        for at in (held - 299..held - 1).step_by(2) {
            story.checks(of, at, at + VALID);
        }
        story.observes("p", number as u64, held - 200).sees("p", number as u64, held - 199, of);
        story.looks_away("p", number as u64, held - 50);
        story.look(held - 100, &[of.2]);
        if number.is_multiple_of(10) {
            let fault = crate::history::Fault { kind: "cut".into(), ..Default::default() };
            story.fault_on(fault, held - 90, held - 80);
        }
    }
    let history = truth.story.history();
    assert!(history.events.len() > 300_000);
    let report = check(&history, &truth.facts);
    assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    assert!(roxmltree::Document::parse(&render_all(&history, "e")).is_ok());
}
