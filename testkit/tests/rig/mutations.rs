//! Lies put into a true history. Each must be found by the law it breaks.

use std::collections::HashSet;

use testkit::checker::{self, Facts, Law, Left, Run};
use testkit::history::{Event, History, Op, Phase, View};

type Mutation = (&'static str, Law, fn(&mut History, &mut Facts, &Marks));

/// Where to put them.
pub(crate) struct Marks {
    /// Tokens of two leaderships of different processes, one after the other, of which the first was resigned.
    old: u64,
    new: u64,
}

const ALL: [Mutation; 10] = [
    ("a check of the old leader during the new one's claim", Law::S1, |history, _, marks| {
        let theirs = last(history, |event| is_check(event, marks.new)).clone();
        let ours = last(history, |event| is_check(event, marks.old)).clone();
        add(
            history,
            Event {
                mono_ns: theirs.mono_ns,
                boot_ns: theirs.boot_ns,
                began_ns: theirs.began_ns,
                clock_ns: theirs.clock_ns,
                valid_until: theirs.valid_until,
                ..ours
            },
        );
    }),
    ("two tokens swapped", Law::S2, |history, _, marks| {
        for event in &mut history.events {
            match event.token {
                Some(token) if token == marks.old => event.token = Some(marks.new),
                Some(token) if token == marks.new => event.token = Some(marks.old),
                _ => {}
            }
        }
    }),
    ("a token won twice", Law::S2, |history, _, marks| {
        let is_win = |event: &Event| (event.op, event.phase) == (Op::Campaign, Phase::Ok);
        let (old, new) = (marks.old, marks.new);
        let win = history.events.iter_mut().find(|event| is_win(event) && event.token == Some(new));
        win.unwrap().token = Some(old);
    }),
    ("a row written by a leader of the past", Law::S3, |_, facts, _| {
        let rows = facts.sink.as_mut().unwrap();
        let first = rows[0].token;
        let later = rows.iter_mut().rfind(|row| row.token > first).unwrap();
        later.token = first;
    }),
    ("a unit done twice", Law::S3, |_, facts, _| {
        let rows = facts.sink.as_mut().unwrap();
        let again = rows.last().unwrap().clone();
        rows.push(again);
    }),
    ("a check after the deadline", Law::S4, |history, _, marks| {
        let new = marks.new;
        let check = history.events.iter_mut().rfind(|event| is_check(event, new)).unwrap();
        check.valid_until = check.clock_ns;
    }),
    ("the last vacancy not seen", Law::S5, |history, _, _| {
        let is_vacancy = |event: &Event| event.view == Some(View::Vacant);
        let at = history.events.iter().rposition(is_vacancy).unwrap();
        let (id, incarnation) = (history.events[at].id.clone(), history.events[at].incarnation);
        // An observation that was begun in the vacancy sees nothing else: there, too.
        history
            .events
            .retain(|event| !(is_vacancy(event) && event.id == id && event.incarnation == incarnation));
    }),
    ("an old leader at the beginning of an observation", Law::S6, |history, _, marks| {
        let wins = |token| move |event: &&Event| event.op == Op::Check && event.token == Some(token);
        let claimed = history.events.iter().find(wins(marks.new)).unwrap().mono_ns;
        let seen = history.events.iter().find_map(|event| match &event.view {
            Some(View::Elected { token, .. }) if *token == marks.old => event.view.clone(),
            _ => None,
        });
        // Begun after the claim, and long enough to see something.
        let begun: HashSet<(String, Option<u64>)> = history
            .events
            .iter()
            .filter(|event| {
                (event.op, event.phase) == (Op::Observe, Phase::Invoke) && event.mono_ns > claimed
            })
            .map(|event| (event.id.clone(), event.number))
            .collect();
        let item = history
            .events
            .iter_mut()
            .find(|event| event.view.is_some() && begun.contains(&(event.id.clone(), event.number)));
        item.unwrap().view = seen;
    }),
    ("a record that is left", Law::L3, |_, facts, marks| {
        facts.records = Some(vec![Left { token: marks.old, value: "lead-0/1/1".into() }]);
    }),
    ("a check after the resign", Law::L4, |history, _, marks| {
        let resigned = last(history, |event| {
            (event.op, event.phase, event.token) == (Op::Resign, Phase::Info, Some(marks.old))
        })
        .clone();
        let check = last(history, |event| is_check(event, marks.old)).clone();
        add(
            history,
            Event {
                mono_ns: resigned.mono_ns + 2,
                boot_ns: resigned.boot_ns + 2,
                began_ns: Some(resigned.mono_ns + 1),
                clock_ns: Some(resigned.boot_ns + 1),
                ..check
            },
        );
    }),
];

/// Applies each of them to a copy, and fails if the checker overlooks it.
pub(crate) fn all_are_found(history: &History, facts: &Facts) {
    let marks = Marks::find(history, facts);
    for (name, law, mutate) in ALL {
        let (mut history, mut facts) = (history.clone(), facts.clone());
        mutate(&mut history, &mut facts, &marks);
        history.events.sort_by_key(|event| (event.mono_ns, event.pid, event.seq));
        let report = checker::check(&history, &facts);
        let found = report.violations.iter().find(|found| found.law == law);
        let found = found.unwrap_or_else(|| panic!("{name} was overlooked:\n{report}"));
        let picture = checker::render(&history, &facts.election, found);
        if let Some(folder) = std::env::var_os("TESTKIT_PICTURES") {
            let file = format!("{law:?}-{}.svg", name.replace(' ', "-"));
            std::fs::write(std::path::Path::new(&folder).join(file), &picture).unwrap();
        }
        let picture = roxmltree::Document::parse(&picture).unwrap_or_else(|error| panic!("{name}: {error}"));
        let frame = picture.descendants().find(|node| node.attribute("class") == Some("violation"));
        assert!(frame.is_some(), "{name} is not in the picture");
    }
}

impl Marks {
    fn find(history: &History, facts: &Facts) -> Self {
        let run = Run::of(history, &facts.election);
        let pair = run.claims.windows(2).find(|pair| {
            let resigned = history.events.iter().any(|event| {
                (event.op, event.phase, event.token) == (Op::Resign, Phase::Ok, Some(pair[0].token))
            });
            resigned && pair[0].process != pair[1].process && pair[1].checks > 3
        });
        let pair = pair.expect("two leaderships in succession");
        Self { old: pair[0].token, new: pair[1].token }
    }
}

fn is_check(event: &Event, token: u64) -> bool {
    (event.op, event.phase, event.token) == (Op::Check, Phase::Ok, Some(token))
}

fn last(history: &History, wanted: impl Fn(&Event) -> bool) -> &Event {
    history.events.iter().rfind(|event| wanted(event)).expect("such an event")
}

fn add(history: &mut History, event: Event) {
    history.events.push(event);
}
