//! `cargo xtask instructions`: how many instructions the hot paths take, against a baseline.
//!
//! Times vary with whatever else the machine does; the number of instructions does not. Each path is walked few and
//! many times under valgrind, and the difference is divided: what the program does before and after drops out.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cli::InstructionsArguments,
    machine::{self, Provided},
    run::Run,
    steps::Steps,
};

const BASELINE: &str = "bench/instructions/baseline.json";

const RECORD: &str = "cargo xtask instructions --record";

/// How often a path is walked.
const FEW: u64 = 500;
const MANY: u64 = 5500;

/// Ours are optimised (a little: it is quick), what they use is as the tests have built it. That saves a second build of
/// everything, and it is ours that we watch.
const OPTIMISED: &[&str] = &["election-core", "backend-etcd", "backend-raft", "backend-zk", "instructions"];

/// What was recorded.
#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    /// The compiler that it was recorded with: another one may count otherwise.
    rustc: String,
    /// How much more is still the same, as a part: compilers differ, and hash maps are seeded at random.
    tolerance: f64,
    /// Instructions per walk.
    paths: BTreeMap<String, f64>,
}

/// Counts, and compares or records.
pub(crate) fn all(steps: &mut Steps, arguments: &InstructionsArguments) {
    let mut provided = Provided::default();
    steps.run("what the counting needs", || {
        provided = machine::provide(machine::COUNTING)?;
        Ok(())
    });
    if steps.any_failed() {
        return;
    }
    let mut program = PathBuf::new();
    steps.run("build the paths", || {
        program = build(&provided)?;
        Ok(())
    });
    if !steps.any_failed() {
        steps.run("count", || {
            let counted = count(&program)?;
            if arguments.record { record(counted) } else { compare(&read()?, &counted, &rustc()?) }
        });
    }
}

/// Builds the program by itself: with all features of the workspace the seams of the simulation would be counted, too.
fn build(provided: &Provided) -> Result<PathBuf> {
    let mut run = Run::cargo().args(["test", "--package", "instructions", "--no-run"]);
    run = run.args(["--test", "paths", "--message-format=json-render-diagnostics"]);
    for package in OPTIMISED {
        run = run.args(["--config".to_owned(), format!("profile.dev.package.{package}.opt-level=1")]);
    }
    let output = provided.to(run).output()?;
    executable(&output).context("cargo names no program \"instructions\"")
}

fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let is_it = message["target"]["name"] == "instructions";
        message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
    };
    messages.filter_map(program).next()
}

fn count(program: &PathBuf) -> Result<BTreeMap<String, f64>> {
    let names = Run::new(program).output()?;
    let per_walk = |name: &str| {
        #[expect(clippy::cast_precision_loss, reason = "some billions at most")]
        let walks = |count| instructions(program, name, count).map(|instructions| instructions as f64);
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let each = (walks(MANY)? - walks(FEW)?) / (MANY - FEW) as f64;
        println!("{name}: {each:.1} instructions");
        Ok((name.to_owned(), (each * 10.0).round() / 10.0))
    };
    names.lines().map(per_walk).collect()
}

/// All instructions of one run.
fn instructions(program: &PathBuf, path: &str, count: u64) -> Result<u64> {
    let run =
        Run::new("valgrind").args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    let (_, words) = run.args([program]).args([path, &count.to_string()]).outputs()?;
    refs(&words).with_context(|| format!("valgrind says nothing about instructions: {words}"))
}

/// `==1== I   refs:      1,234,567`
fn refs(words: &str) -> Option<u64> {
    let line = words.lines().find(|line| line.contains("I   refs:") || line.contains("I refs:"))?;
    line.rsplit(':').next()?.trim().replace(',', "").parse().ok()
}

fn rustc() -> Result<String> {
    Ok(Run::new("rustc").args(["--version"]).output()?.trim().to_owned())
}

fn read() -> Result<Baseline> {
    let text =
        fs::read_to_string(BASELINE).with_context(|| format!("reading {BASELINE}; to write it: {RECORD}"))?;
    serde_json::from_str(&text).with_context(|| format!("{BASELINE} is damaged; to write it anew: {RECORD}"))
}

fn record(paths: BTreeMap<String, f64>) -> Result<()> {
    let tolerance = read().map_or(0.05, |baseline| baseline.tolerance);
    let text = serde_json::to_string_pretty(&Baseline { rustc: rustc()?, tolerance, paths })?;
    fs::write(BASELINE, text + "\n").with_context(|| format!("writing {BASELINE}"))?;
    println!("recorded in {BASELINE}");
    Ok(())
}

/// # Errors
///
/// With every path that takes more than the baseline says, or is not in it.
fn compare(baseline: &Baseline, counted: &BTreeMap<String, f64>, rustc: &str) -> Result<()> {
    ensure!((0.0..1.0).contains(&baseline.tolerance), "the tolerance in {BASELINE} must be between 0 and 1");
    let mut wrong = Vec::new();
    for (path, &now) in counted {
        let Some(&then) = baseline.paths.get(path) else {
            wrong.push(format!("{path}: {now} instructions, and no baseline"));
            continue;
        };
        let change = format!("{now} instructions, {:+.1} % against {then}", (now / then - 1.0) * 100.0);
        if now > then * (1.0 + baseline.tolerance) {
            wrong.push(format!("{path}: {change}"));
        } else if now < then * (1.0 - baseline.tolerance) {
            println!("{path}: {change}: better; to hold it: {RECORD}");
        }
    }
    let gone = baseline.paths.keys().filter(|path| !counted.contains_key(*path));
    wrong.extend(gone.map(|path| format!("{path}: in the baseline, and no longer a path")));
    if wrong.is_empty() {
        return Ok(());
    }
    let tolerance = baseline.tolerance * 100.0;
    let recorded = &baseline.rustc;
    let compiler = if recorded == rustc {
        String::new()
    } else {
        format!("\nThe baseline was recorded with {recorded}, this is {rustc}.")
    };
    bail!(
        "\n{}\n{tolerance} % more is allowed.{compiler}\nIf that is as it should be, record it: {RECORD}",
        wrong.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let paths = [("check".to_owned(), 100.0), ("apply".to_owned(), 2000.0)].into();
        Baseline { rustc: "rustc 1".into(), tolerance: 0.05, paths }
    }

    fn complaint(check: f64, apply: f64, rustc: &str) -> Option<String> {
        let counted = [("check".to_owned(), check), ("apply".to_owned(), apply)].into();
        compare(&baseline(), &counted, rustc).err().map(|error| error.to_string())
    }

    #[test]
    fn more_than_the_tolerance_is_a_failure_with_both_figures_and_the_command() {
        assert_eq!(complaint(104.9, 2000.0, "rustc 1"), None);
        assert_eq!(complaint(50.0, 2000.0, "rustc 2"), None);
        let complaint = complaint(106.0, 2000.0, "rustc 2").unwrap();
        for part in ["check: 106 instructions, +6.0 % against 100", "5 % more", "rustc 2", RECORD] {
            assert!(complaint.contains(part), "{complaint}");
        }
        assert!(!complaint.contains("apply"), "{complaint}");
    }

    #[test]
    fn a_path_without_a_baseline_and_a_baseline_without_a_path_are_failures() {
        let counted = [("check".to_owned(), 100.0), ("new".to_owned(), 1.0)].into();
        let complaint = compare(&baseline(), &counted, "rustc 1").unwrap_err().to_string();
        assert!(complaint.contains("new: 1 instructions, and no baseline"), "{complaint}");
        assert!(complaint.contains("apply: in the baseline"), "{complaint}");
    }

    #[test]
    fn valgrind_and_cargo_are_understood() {
        assert_eq!(refs("==1== \n==1== I   refs:      1,234,567\n"), Some(1_234_567));
        assert_eq!(refs("nothing"), None);
        let message =
            r#"{"reason":"compiler-artifact","target":{"name":"instructions"},"executable":"/x/y"}"#;
        assert_eq!(executable(&format!("{{}}\n{message}\n")), Some("/x/y".into()));
        assert_eq!(executable(r#"{"target":{"name":"other"},"executable":"/x"}"#), None);
    }
}
