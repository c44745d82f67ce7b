//! The report of a small folder of criterion's, `fixtures/criterion`: round numbers, one figure per kind.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{answers, load::Measured, markdown, page, question::QUESTIONS, unit::GAP};

fn fixture() -> Measured {
    Measured::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/criterion")).unwrap()
}

/// A copy of the fixture, to be damaged.
fn copy() -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
            if from.is_dir() { copy_into(&from, &to) } else { fs::copy(&from, &to).map(drop).unwrap() }
        }
    }
    let folder = TempDir::new().unwrap();
    copy_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/criterion"), folder.path());
    folder
}

fn plain(text: &str) -> String {
    text.replace(GAP, " ")
}

#[test]
fn every_figure_is_named_on_the_page_and_in_markdown() {
    let measured = fixture();
    assert_eq!(measured.figures.len(), 9);
    assert_eq!(measured.left_out, ["other/thing/1"]);
    let (html, text) = (plain(&page::render(&measured)), plain(&markdown::render(&measured)));
    for figure in measured.figures.iter().filter(|figure| !figure.is_raw()) {
        for report in [&html, &text] {
            assert!(report.contains(&figure.subject.title()), "{}", figure.subject.title());
        }
    }
    for shown in ["2.00 ms", "1.90 ms", "1.00 ms", "3.00 ms", "180 ms", "3.00 s", "150 µs", "10 × 10"] {
        assert!(html.contains(shown), "the page lacks {shown}");
        assert!(text.contains(shown), "the text lacks {shown}");
    }
    // Rates, costs, goals, and the circumstances.
    for shown in [
        "500/s",
        "0.95",
        "≥ 0.9 of raw: reached",
        "≤ 1.5 × raw: missed",
        "≤ 250 ms: reached",
        "≥ 1.5 × hashicorp-raft-1",
        "(2.00): reached",
        "2.01",
        "400 µs",
        "1.50 KiB",
        "0123456789",
        "Example CPU",
        "2026-11-24 20:15 UTC",
        "etcd 3.4.23",
        "other/thing/1",
    ] {
        assert!(html.contains(shown), "the page lacks {shown}");
    }
}

#[test]
fn what_was_not_measured_is_said_and_not_invented() {
    let measured = fixture();
    let missing =
        |id| answers::missing(QUESTIONS.iter().find(|question| question.id == id).unwrap(), &measured);
    assert_eq!(
        missing("handover"),
        ["The other has waited for 150 ms", "The other has only just queued (etcd, Raft)"]
    );
    assert_eq!(missing("observe").len(), 3);
    assert!(page::render(&measured).contains("Not measured in this run: 1 observer; 100 observers"));
    let comparison = answers::comparison(&measured);
    // Three servers are the most, and of those there is one handover and one failover.
    let measured_cells = comparison.rows.iter().flatten().filter(|cell| *cell != "not measured").count();
    assert_eq!(measured_cells, comparison.rows.len() + 2, "{comparison:?}");
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let html = page::render(&fixture());
    // HTML's void elements are the one thing in it that XML does not know.
    let mut xml = html.replace("<!DOCTYPE html>", "");
    for void in [
        "<meta charset=\"utf-8\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    ] {
        assert!(xml.contains(void), "{void}");
        xml = xml.replace(void, "");
    }
    let page = roxmltree::Document::parse(&xml).unwrap();
    let bars =
        page.descendants().filter(|node| node.has_tag_name("rect") && node.attribute("y").is_some()).count();
    assert!(bars >= 8, "{bars} bars");
    let outside = page
        .descendants()
        .filter(|node| ["script", "link", "img", "iframe"].contains(&node.tag_name().name()));
    assert_eq!(outside.count(), 0);
    assert!(!html.contains("http://") && !html.contains("https://"));
    let ids: Vec<_> = page.descendants().filter_map(|node| node.attribute("id")).collect();
    for link in page.descendants().filter_map(|node| node.attribute("href")) {
        assert!(ids.contains(&link.trim_start_matches('#')), "{link}");
    }
}

#[test]
fn an_empty_or_missing_folder_is_refused_with_the_command_to_run() {
    let folder = TempDir::new().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("none")] {
        let refusal = format!("{:#}", Measured::read(&path).unwrap_err());
        assert!(refusal.contains("cargo bench -p bench"), "{refusal}");
        assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
    }
}

#[test]
fn a_damaged_file_is_named() {
    for (file, text) in [
        ("figure.json", "{"),
        ("figure.json", r#"{"bench":"cycle"}"#),
        ("new/sample.json", r#"{"iters":[],"times":[]}"#),
        ("new/sample.json", r#"{"iters":[0.0],"times":[1.0]}"#),
        ("new/estimates.json", r#"{"median":{"point_estimate":0.0}}"#),
        ("new/estimates.json", ""),
    ] {
        let folder = copy();
        fs::write(folder.path().join("cycle/etcd-1/1").join(file), text).unwrap();
        let refusal = format!("{:#}", Measured::read(folder.path()).unwrap_err());
        assert!(refusal.contains("cycle/etcd-1/1 is damaged"), "{refusal}");
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        assert!(refusal.contains(name), "{refusal}");
    }
}
