//! The twin of the page in Markdown.

use std::fmt::Write as _;

use super::{
    answers::{Table, comparison, missing, sentence},
    load::Measured,
    page::{LEAD, TITLE, tables},
    question::QUESTIONS,
    run::Runs,
};

/// The whole text.
pub(crate) fn render(measured: &Measured) -> String {
    let runs = Runs::of(measured);
    let mut text = format!("# {TITLE}\n\n{LEAD}\n\n{}\n", runs.sentence());
    for warning in runs.warnings(measured) {
        line(&mut text, &format!("\n> {warning}"));
    }
    line(&mut text, &format!("\n## At a glance\n\n{}", table(&comparison(measured))));
    for question in QUESTIONS {
        line(&mut text, &format!("## {}\n", question.title));
        if let Some(sentence) = sentence(question, measured) {
            line(&mut text, &format!("**{sentence}**\n"));
        }
        line(&mut text, &format!("{}\n", question.text));
        let missing = missing(question, measured);
        if !missing.is_empty() {
            line(&mut text, &format!("Not measured in this run: {}.\n", missing.join("; ")));
        }
        for (title, rows) in tables(question, measured) {
            line(&mut text, &format!("{title}:\n\n{}", table(&rows)));
        }
    }
    line(&mut text, "## How was this measured?\n");
    for (name, value) in runs.facts() {
        line(&mut text, &format!("- {name}: {value}"));
    }
    for servers in &runs.servers {
        let plural = if servers.count == 1 { "" } else { "s" };
        let settings = format!("{}; ours: {}", servers.flags, servers.settings);
        line(&mut text, &format!("- {}, {} server{plural}: {settings}", servers.software, servers.count));
    }
    text
}

/// The part that is kept in the README and in `docs/choosing.md`.
pub(crate) fn short(measured: &Measured) -> String {
    let runs = Runs::of(measured);
    let software: Vec<&str> = runs.servers.iter().map(|servers| servers.software.as_str()).collect();
    let mut text = table(&comparison(measured));
    line(&mut text, &format!("\nMedians. {} {}.", runs.sentence(), distinct(&software)));
    for warning in runs.warnings(measured) {
        line(&mut text, &warning);
    }
    text
}

fn distinct(words: &[&str]) -> String {
    let mut words: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("memory")).collect();
    words.dedup();
    words.join(", ")
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

fn table(table: &Table) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let mut text = row(&table.head);
    text += &format!("|{}\n", " --- |".repeat(table.head.len()));
    table.rows.iter().for_each(|cells| text += &row(cells));
    text
}
