//! What the text of the sources must and must not contain.

use std::{fs, path::Path};

use anyhow::{Result, bail};

use crate::run::Run;

/// The crates whose public signatures must not name a coordination service's types. They may not name them at all,
/// which is simpler to check and stricter.
const NEUTRAL: &[&str] = &["election-core/src/", "src/", "examples/src/"];

/// What those are called in Rust.
const FOREIGN: &[&str] = &["etcd_client", "zookeeper_client", "openraft", "tonic"];

/// Beginnings of paths that exist on one machine only. In two parts, because this file is checked too.
const MACHINE_PATHS: &[(&str, &str)] = &[("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("/wo", "rk/")];

/// # Errors
///
/// With every violation, one per line.
pub(super) fn check() -> Result<()> {
    let mut violations = Vec::new();
    let files =
        Run::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).output()?;
    for file in files.split_terminator('\0') {
        // A file that is deleted but not yet committed, and what is not text, has nothing to say here.
        if let Ok(text) = fs::read_to_string(file) {
            violations.extend(problems(file, &text));
        }
    }
    violations.sort();
    if violations.is_empty() {
        return Ok(());
    }
    bail!("\n{}", violations.join("\n"))
}

fn problems(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut found = |what: &str| problems.push(format!("{file}:{number}: {what}"));
        if MACHINE_PATHS.iter().any(|(head, tail)| is_path(line, &format!("{head}{tail}"))) {
            found("a path of one machine");
        }
        if file.ends_with(".rs") {
            rust_problems(file, line.trim_start(), found);
        }
    }
    // The manifest's lints hold for every target of a package, tests and binaries too; an attribute for one of them.
    if Path::new(file).ends_with("Cargo.toml") && !forbids_unsafe(text) {
        problems.push(format!("{file}: does not forbid unsafe code: `[lints] workspace = true` is missing"));
    }
    problems
}

fn rust_problems(file: &str, line: &str, mut found: impl FnMut(&str)) {
    if line.starts_with("//") {
        if line.contains("```") && line.contains("ignore") {
            found("a doc example that is not compiled");
        }
        return;
    }
    if NEUTRAL.iter().any(|folder| file.starts_with(folder)) {
        for foreign in FOREIGN.iter().filter(|foreign| has_word(line, foreign)) {
            found(&format!("names {foreign}, which belongs behind a backend"));
        }
    }
    let may_lift_the_ban = file.ends_with("/clock.rs") || file == "xtask/src/check/sources.rs";
    if line.contains("clippy::disallowed_methods") && !may_lift_the_ban {
        found("only a clock.rs may read a clock");
    }
}

/// True when `prefix` begins a path in the line, and not a longer word such as a URL's path.
fn is_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || "._-/~}>".contains(c))
    })
}

/// True when the line contains `word` and not just a longer one, as `monotonic` is to `tonic`.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|found| found == word)
}

fn forbids_unsafe(manifest: &str) -> bool {
    manifest.contains("[lints]\nworkspace = true") || manifest.contains("unsafe_code = \"forbid\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(index: usize) -> String {
        let (head, tail) = MACHINE_PATHS[index];
        format!("{head}{tail}")
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_a_url_is_not() {
        assert_eq!(problems("README.md", &format!("see {}me/election", path(0))).len(), 1);
        assert!(problems("README.md", &format!("https://example.org{}page", path(0))).is_empty());
    }

    #[test]
    fn a_neutral_crate_may_speak_of_a_client_but_not_name_it() {
        assert!(problems("election-core/src/a.rs", "/// not openraft's term").is_empty());
        assert_eq!(problems("election-core/src/a.rs", "pub fn f(c: openraft::Raft) {}").len(), 1);
        assert!(problems("election-core/src/a.rs", "ClockId::Monotonic => monotonic()").is_empty());
        assert!(problems("backend-raft/src/a.rs", "pub fn f(c: openraft::Raft) {}").is_empty());
    }

    #[test]
    fn an_example_that_is_not_compiled_is_found() {
        assert_eq!(problems("election-core/src/a.rs", "/// ```ignore").len(), 1);
        assert!(problems("election-core/src/a.rs", "/// ```").is_empty());
    }

    #[test]
    fn only_a_clock_may_lift_the_ban() {
        let text = format!("#![allow(clippy::{})]", "disallowed_methods");
        assert_eq!(problems("election-core/src/lead.rs", &text).len(), 1);
        assert!(problems("election-core/src/clock.rs", &text).is_empty());
    }

    #[test]
    fn a_package_that_does_not_forbid_unsafe_code_is_found() {
        assert_eq!(problems("x/Cargo.toml", "[package]\nname = \"x\"").len(), 1);
        assert!(problems("x/Cargo.toml", "[package]\nname = \"x\"\n[lints]\nworkspace = true").is_empty());
    }
}
