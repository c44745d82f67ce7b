//! The page: one file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    answers::{Table, comparison, costs, figures, holdings, missing, sentence},
    chart,
    load::Measured,
    question::{QUESTIONS, Question},
    run::Runs,
};

pub(crate) const TITLE: &str = "Leader election: etcd, ZooKeeper and embedded Raft, measured";
pub(crate) const LEAD: &str = "One trait, three backends, the same benches on the same machine in the same run. Each figure \
    stands beside what the same servers, or the same disk, can do at best: read the ratios, not the milliseconds.";

/// The whole page.
pub(crate) fn render(measured: &Measured) -> String {
    let runs = Runs::of(measured);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (TITLE) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                (chart::fills())
                main {
                    header {
                        h1 { (TITLE) }
                        p.lead { (LEAD) }
                        p.facts { (runs.sentence()) }
                        @for warning in runs.warnings(measured) { p.missing { (warning) } }
                    }
                    (at_a_glance(measured))
                    nav aria-label="Questions" {
                        ol {
                            @for question in QUESTIONS {
                                li { a href=(format!("#{}", question.id)) { (question.title) } }
                            }
                            li { a href="#how" { "How was this measured?" } }
                        }
                    }
                    (legend())
                    @for question in QUESTIONS { (section(question, measured)) }
                    (how(&runs))
                }
            }
        }
    };
    page.into_string()
}

fn at_a_glance(measured: &Measured) -> Markup {
    html! {
        section #glance {
            h2 { "At a glance" }
            (table(&comparison(measured), "comparison"))
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            li { svg { rect.bar.etcd width="100%" height="100%" {} } "etcd" }
            li { svg { rect.bar.zk width="100%" height="100%" {} } "ZooKeeper" }
            li { svg { rect.bar.raft width="100%" height="100%" {} } "embedded Raft" }
            li { svg { line.range x1="5%" x2="95%" y1="50%" y2="50%" {} line.range x1="5%" x2="5%" y1="20%" y2="80%" {}
                line.range x1="95%" x2="95%" y1="20%" y2="80%" {} } "fastest to slowest sample" }
            li { svg { line.raw x1="50%" x2="50%" y1="0" y2="100%" {} } "raw limit " span.note { "(beyond the axis: " svg.arrow { path.beyond d="M2 2 L12 8 L2 14 Z" {} } ")" } }
            li { svg { line.goal x1="50%" x2="50%" y1="0" y2="100%" {} } "goal" }
        }
    }
}

fn section(question: &Question, measured: &Measured) -> Markup {
    let missing = missing(question, measured);
    let is_measured = measured.of(question.bench).next().is_some();
    html! {
        section id=(question.id) {
            h2 { (question.title) }
            @if let Some(sentence) = sentence(question, measured) { p.answer { (sentence) } }
            p.text { (prose(question.text)) }
            @if !missing.is_empty() { p.missing { "Not measured in this run: " (missing.join("; ")) "." } }
            @if is_measured {
                (chart::panels(question, measured))
                @for (title, rows) in tables(question, measured) {
                    details { summary { (title) } (table(&rows, "figures")) }
                }
            }
        }
    }
}

/// The tables of a question, those with rows.
pub(crate) fn tables(question: &Question, measured: &Measured) -> Vec<(&'static str, Table)> {
    let all = match question.id {
        "cost" => vec![("What each operation cost, in numbers", costs(question, measured))],
        "many" => vec![
            ("What holding them cost, in numbers", holdings(question, measured)),
            ("Every figure", figures(question, measured)),
        ],
        _ => vec![("Every figure", figures(question, measured)), ("What it cost", costs(question, measured))],
    };
    all.into_iter().filter(|(_, table)| !table.rows.is_empty()).collect()
}

fn table(table: &Table, class: &str) -> Markup {
    html! {
        div.scroll {
            table class=(class) {
                thead { tr { @for cell in &table.head { th scope="col" { (cell) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (cell, head) in row.iter().zip(&table.head) { td data-head=(head) { (noted(cell)) } }
                        }
                    }
                }
            }
        }
    }
}

/// A number, and what is said of it in parentheses.
fn noted(cell: &str) -> Markup {
    match cell.split_once(" (") {
        Some((number, note)) => html! { (number) " " small { "(" (note) } },
        None => html! { (cell) },
    }
}

/// Text with `code` in it.
fn prose(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

fn how(runs: &Runs) -> Markup {
    html! {
        section #how {
            h2 { "How was this measured?" }
            dl { @for (name, value) in runs.facts() { dt { (name) } dd { (value) } } }
            p.text {
                "By criterion: a sample is the mean of so many iterations, the figure is the median of the samples, and \
                 their number stands in the tables as samples × iterations. Where an iteration needs preparation (a \
                 candidate must have queued, a killed process must be replaced), that is not in the time, but it is in \
                 the costs. Everything ran on one machine: candidates and servers shared its processors and its disk."
            }
            @if !runs.servers.is_empty() {
                div.scroll { table.figures {
                    thead { tr { th scope="col" { "servers" } th scope="col" { "count" } th scope="col" { "their settings" }
                        th scope="col" { "ours" } } }
                    tbody { @for servers in &runs.servers {
                        tr { td { (servers.software) } td { (servers.count) } td { (servers.flags) } td { (servers.settings) } }
                    } }
                } }
            }
        }
    }
}
