//! What the figures say, in words and tables: the same on the page and in Markdown.

use std::collections::BTreeSet;

use super::{
    chart::ttl,
    figure::{Figure, Goal},
    load::Measured,
    question::{Better, Panel, Question, Reading, bytes, cpu, fsyncs, idle_cpu, idle_requests, requests},
    subject::Backend,
    unit::{Unit, grouped, three_digits},
};

/// A table, as text. The first column names, the others are numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The answer in one sentence: each backend at its best, in the first case. `None` if nothing was measured.
pub(crate) fn sentence(question: &Question, measured: &Measured) -> Option<String> {
    let panel = question.panels.first()?;
    let best = |backend: &Backend| {
        let readings = panel.readings(measured, question.bench);
        let ours = readings.filter(|(figure, _)| figure.subject.backend == *backend);
        let value = |(_, reading): (&Figure, Reading)| reading.value;
        let best = match panel.better {
            Better::Less => ours.map(value).reduce(f64::min),
            Better::More => ours.map(value).reduce(f64::max),
        };
        Some(format!("{} {}", backend.name(), panel.unit.show(best?)))
    };
    let answers: Vec<String> = Backend::CHOICES.iter().filter_map(best).collect();
    if answers.is_empty() {
        return None;
    }
    Some(format!("{}: {}, each at its best.", panel.title, answers.join(", ")))
}

/// What is not there, e.g. `1,000 observers (ZooKeeper, Raft)`.
pub(crate) fn missing(question: &Question, measured: &Measured) -> Vec<String> {
    let missing = |panel: &Panel| {
        let there: BTreeSet<Backend> = panel
            .readings(measured, question.bench)
            .map(|(figure, _)| figure.subject.backend.clone())
            .collect();
        if there.is_empty() {
            return Some(panel.title.to_owned());
        }
        if question.bench == "raw" {
            return None;
        }
        let absent: Vec<&str> =
            panel.of.iter().filter(|backend| !there.contains(backend)).map(Backend::name).collect();
        (!absent.is_empty()).then(|| format!("{} ({})", panel.title, absent.join(", ")))
    };
    question.panels.iter().filter_map(missing).collect()
}

/// Every figure of a bench, raw limits beside theirs.
pub(crate) fn figures(question: &Question, measured: &Measured) -> Table {
    let head =
        ["subject", "case", "median", "fastest – slowest sample", "samples", "raw limit", "ratio", "goal"];
    let row = |figure: &Figure| {
        let raw = measured.raw_of(figure);
        let show = |nanos: f64| Unit::Time.show(nanos);
        vec![
            figure.subject.title(),
            case(&figure.side.case),
            show(figure.median),
            format!("{} – {}", show(figure.fastest()), show(figure.slowest())),
            format!(
                "{} × {}",
                figure.samples.len(),
                grouped(figure.iterations / figure.samples.len() as f64)
            ),
            raw.map_or_else(String::new, |raw| show(raw.median)),
            raw.map_or_else(String::new, |raw| three_digits(figure.ratio(raw))),
            goal(figure, raw, measured.rival_of(figure)),
        ]
    };
    Table { head: head.map(str::to_owned).into(), rows: measured.of(question.bench).map(row).collect() }
}

/// What each operation of a bench cost.
pub(crate) fn costs(question: &Question, measured: &Measured) -> Table {
    let head = [
        "subject",
        "case",
        "operations",
        "requests",
        "flushes",
        "processor, servers",
        "processor, candidates",
    ];
    let row = |figure: &Figure| {
        let cost = figure.side.cost.as_ref()?;
        let each = |what: Option<f64>| what.map(|what| what.max(0.0) / cost.operations);
        Some(vec![
            figure.subject.title(),
            case(&figure.side.case),
            grouped(cost.operations),
            or_not_counted(requests(figure).map(|reading| reading.value), Unit::Count),
            or_not_counted(fsyncs(figure).map(|reading| reading.value), Unit::Count),
            or_not_counted(each(cost.server_cpu_s).map(|s| s * 1e9), Unit::Time),
            or_not_counted(each(cost.own_cpu_s).map(|s| s * 1e9), Unit::Time),
        ])
    };
    Table {
        head: head.map(str::to_owned).into(),
        rows: measured.of(question.bench).filter_map(row).collect(),
    }
}

/// What holding elections costs.
pub(crate) fn holdings(question: &Question, measured: &Measured) -> Table {
    let head =
        ["subject", "held", "memory each", "requests/s", "flushes/s", "processor per s", "tasks", "threads"];
    let row = |figure: &Figure| {
        let held = figure.side.cost.as_ref()?.held.as_ref()?;
        Some(vec![
            figure.subject.title(),
            grouped(held.elections),
            Unit::Bytes.show(bytes(figure)?.value),
            or_not_counted(idle_requests(figure).map(|reading| reading.value), Unit::Count),
            or_not_counted(held.fsyncs.map(|fsyncs| fsyncs / held.seconds), Unit::Count),
            or_not_counted(idle_cpu(figure).map(|reading| reading.value), Unit::Time),
            format!("{:+}", held.tasks),
            format!("{:+}", held.threads),
        ])
    };
    Table {
        head: head.map(str::to_owned).into(),
        rows: measured.of(question.bench).filter_map(row).collect(),
    }
}

fn or_not_counted(value: Option<f64>, unit: Unit) -> String {
    value.map_or_else(|| "not counted".to_owned(), |value| unit.show(value))
}

/// `crash, ttl 2000 ms` as `crash, TTL 2 s`.
fn case(case: &str) -> String {
    match case.split_once(", ") {
        Some((what, note)) => format!("{what}, {}", ttl(note)),
        None => case.parse().map_or_else(|_| case.to_owned(), grouped),
    }
}

fn goal(figure: &Figure, raw: Option<&Figure>, rival: Option<&Figure>) -> String {
    let goal = match figure.side.goal {
        Goal::AtLeastOfRawRate(goal) => format!("≥ {goal} of raw"),
        Goal::AtLeastOfRivalsRate(goal) => {
            let times = rival.map(|rival| format!(" ({})", three_digits(figure.times(rival))));
            format!("≥ {goal} × {}{}", figure.side.rival.as_deref().unwrap_or("?"), times.unwrap_or_default())
        }
        Goal::AtMostOfRawTime(goal) => format!("≤ {goal} × raw"),
        Goal::WithinMs(goal) => format!("≤ {}", Unit::Time.show(goal * 1e6)),
        Goal::None | Goal::RawLimit => return String::new(),
    };
    match figure.is_met(raw, rival) {
        Some(true) => format!("{goal}: reached"),
        Some(false) => format!("{goal}: missed"),
        None => format!("{goal}: what it is compared with was not measured"),
    }
}

/// The short comparison for the README: the three backends, one line per question.
pub(crate) fn comparison(measured: &Measured) -> Table {
    // A Raft group that survives a crash has three members, also where everything else ran on one.
    let others = || measured.figures.iter().filter(|figure| figure.side.bench != "failover");
    // Three are what most people run; five are measured in part.
    let usual = others().any(|figure| figure.subject.servers == 3).then_some(3);
    let most = usual.or_else(|| others().map(|figure| figure.subject.servers).max()).unwrap_or(3);
    let mut table = Table::default();
    let servers = if most == 1 { "one server".to_owned() } else { format!("{most} servers (Raft: members)") };
    table.head.push(servers);
    table.head.extend(Backend::CHOICES.iter().map(|backend| backend.name().to_owned()));
    type Cell = fn(&Measured, &Figure) -> Option<String>;
    let lines: [(&str, &str, &str, bool, Cell); 11] = [
        ("campaign and resign, per second", "cycle", "1", false, rate),
        ("the same, 64 candidates side by side", "cycle", "64", false, rate),
        ("handover to one that has only just queued", "handover", "queued 30 ms ago", false, time),
        ("without a leader after a crash, servers as they come", "failover", "crash", false, with_ttl),
        ("the same, servers tuned for it", "failover", "crash", true, with_ttl),
        ("without a leader after a clean exit", "failover", "clean exit", false, time),
        ("the last of 100 observers knows after", "observe", "100", false, time),
        ("process start to leader", "start", "process to leader", false, time),
        ("requests for a campaign and a resignation", "cycle", "1", false, count),
        ("processor time for both, 64 side by side", "cycle", "64", false, processor),
        ("memory per election, 10,000 held", "many", "10000", false, memory),
    ];
    for (name, bench, case, tuned, cell) in lines {
        let mut row = vec![name.to_owned()];
        for backend in &Backend::CHOICES {
            let is_wanted = |figure: &&Figure| {
                let rest = figure.side.case.strip_prefix(case);
                let subject = &figure.subject;
                let is_group = bench == "failover" && *backend == Backend::Raft;
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
                    && subject.backend == *backend
                    && subject.tuned == tuned
                    && (subject.servers == most || is_group)
            };
            let mut cells = measured.of(bench).filter(is_wanted).filter_map(|figure| cell(measured, figure));
            row.push(cells.next().unwrap_or_else(|| "not measured".to_owned()));
        }
        table.rows.push(row);
    }
    table
}

fn rate(measured: &Measured, figure: &Figure) -> Option<String> {
    let ratio = measured.raw_of(figure).map(|raw| raw.median / figure.median);
    let raw = ratio.map(|ratio| format!("{} of raw", three_digits(ratio)));
    let times = measured.rival_of(figure).map(|rival| three_digits(figure.times(rival)));
    let rival = times.zip(figure.side.rival.as_ref()).map(|(times, rival)| format!("{times} × {rival}"));
    let compared: Vec<String> = raw.into_iter().chain(rival).collect();
    let compared = if compared.is_empty() { String::new() } else { format!(" ({})", compared.join(", ")) };
    Some(format!("{}{compared}", three_digits(figure.rate())))
}

fn time(measured: &Measured, figure: &Figure) -> Option<String> {
    let ratio = measured.raw_of(figure).map(|raw| figure.median / raw.median);
    let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({} × raw)", three_digits(ratio)));
    Some(format!("{}{ratio}", Unit::Time.show(figure.median)))
}

fn with_ttl(_: &Measured, figure: &Figure) -> Option<String> {
    let note = figure.side.case.split_once(", ").map(|(_, note)| format!(" ({})", ttl(note)));
    Some(Unit::Time.show(figure.median) + &note.unwrap_or_default())
}

fn count(_: &Measured, figure: &Figure) -> Option<String> {
    Some(match requests(figure) {
        Some(reading) => Unit::Count.show(reading.value),
        None => "not counted".to_owned(),
    })
}

fn processor(_: &Measured, figure: &Figure) -> Option<String> {
    Some(Unit::Time.show(cpu(figure)?.value))
}

fn memory(_: &Measured, figure: &Figure) -> Option<String> {
    Some(Unit::Bytes.show(bytes(figure)?.value))
}
