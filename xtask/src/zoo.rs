//! `cargo xtask zoo`: plants every defect of the zoo, one at a time, and sees whether its test catches it.

mod defects;

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    cli::ZooArguments,
    machine::{self, Provided},
    run::Run,
    steps::{Steps, bold},
};
use defects::{Defect, Planted, ZOO};

/// A test that hangs has noticed something, too; this is far above what any of them takes.
const PATIENCE: &str = "240";

/// Where to find the binary of each target of each package, and the folder it is run in.
type Binaries = BTreeMap<(String, String), (PathBuf, PathBuf)>;

/// Plants what `arguments` names, or everything.
pub(crate) fn all(steps: &mut Steps, arguments: &ZooArguments) {
    if arguments.list {
        ZOO.iter().for_each(|defect| println!("{:<36} {}", defect.name, defect.what));
        return;
    }
    let mut chosen = Vec::new();
    let mut binaries = Binaries::new();
    let mut provided = Provided::default();
    steps.run("what the zoo needs", || {
        chosen = choose(&arguments.names)?;
        provided = machine::provide(machine::EVERYTHING)?;
        Ok(())
    });
    if steps.any_failed() {
        return;
    }
    steps.run("build the tests with their defects", || {
        binaries = build(&provided, &chosen)?;
        Ok(())
    });
    if steps.any_failed() {
        return;
    }
    steps.run("plant them, one at a time", || {
        let mut escaped = Vec::new();
        let mut lines = Vec::new();
        for defect in chosen {
            let verdict = verdict(&binaries, defect)?;
            let line = format!("{:<36} {:<13} {}::{}", defect.name, verdict, defect.package, defect.test);
            println!("{line}");
            if verdict != Verdict::Caught {
                escaped.push(defect.name);
            }
            lines.push(line);
        }
        println!("\n{}", bold(&format!("{:<36} {:<13} by the test", "defect", "verdict")));
        lines.iter().for_each(|line| println!("{line}"));
        ensure!(escaped.is_empty(), "not caught: {}", escaped.join(", "));
        println!("{} defects, all caught", lines.len());
        Ok(())
    });
}

/// What became of a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Caught,
    Escaped,
    /// The test fails without any defect: it says nothing.
    TestIsBroken,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Caught => "caught",
            Self::Escaped => "ESCAPED",
            Self::TestIsBroken => "BROKEN TEST",
        })
    }
}

fn choose(names: &[String]) -> Result<Vec<&'static Defect>> {
    if names.is_empty() {
        return Ok(ZOO.iter().collect());
    }
    let find = |name: &String| {
        let found = ZOO.iter().find(|defect| defect.name == *name);
        found.with_context(|| format!("no defect is called {name:?}: see `cargo xtask zoo --list`"))
    };
    names.iter().map(find).collect()
}

/// Set for the compilers that cargo starts through us: see [`compile`].
const AS_COMPILER: &str = "XTASK_ZOO_COMPILER";

/// Stands in for rustc, if cargo has started us to compile a crate of this workspace: the same command line and
/// `--cfg zoo`. As cargo's `RUSTC_WORKSPACE_WRAPPER` it leaves the dependencies as they are, so that they are not built
/// anew. (A shell script would lose the variables with a dash in their names.)
pub(crate) fn compile() -> Option<Result<ExitCode>> {
    env::var_os(AS_COMPILER)?;
    let mut arguments = env::args_os().skip(1);
    let compile = || {
        let compiler = arguments.next().context("cargo names the compiler")?;
        let status = Command::new(compiler).args(arguments).args(["--cfg", "zoo"]).status()?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
    };
    Some(compile())
}

/// Builds the tests of the packages concerned.
fn build(provided: &Provided, chosen: &[&Defect]) -> Result<Binaries> {
    let mut packages: Vec<&str> = chosen.iter().map(|defect| defect.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let run =
        provided.to(Run::cargo()).env(AS_COMPILER, "yes").env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?);
    let run = run.args(["test", "--no-run", "--all-features", "--message-format=json-render-diagnostics"]);
    let messages = run.args(packages.iter().flat_map(|package| ["--package", package])).output()?;
    let mut binaries = Binaries::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(binary), true) = (message["executable"].as_str(), message["profile"]["test"] == true)
        else {
            continue;
        };
        let manifest = PathBuf::from(message["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().context("a manifest in no folder")?.to_owned();
        let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = &message["target"];
        let name = match target["kind"][0].as_str() {
            Some("lib") => "lib",
            Some("test") => target["name"].as_str().unwrap_or_default(),
            // The unit tests of a binary, which may have the name of a test.
            _ => continue,
        };
        binaries.insert((package, name.to_owned()), (binary.into(), folder));
    }
    Ok(binaries)
}

fn verdict(binaries: &Binaries, defect: &Defect) -> Result<Verdict> {
    if !passes(binaries, defect, false)? {
        return Ok(Verdict::TestIsBroken);
    }
    // The second run is the one with the defect, unless the test has planted it already.
    if defect.planted == Planted::ByName && passes(binaries, defect, true)? {
        return Ok(Verdict::Escaped);
    }
    Ok(Verdict::Caught)
}

/// Whether the test passes, with or without the defect.
fn passes(binaries: &Binaries, defect: &Defect, planted: bool) -> Result<bool> {
    let key = (defect.package.to_owned(), defect.target.to_owned());
    let (binary, folder) = binaries
        .get(&key)
        .with_context(|| format!("{} has no test target {}", defect.package, defect.target))?;
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", PATIENCE]).arg(binary).args(["--exact", defect.test]);
    command.current_dir(folder).stdin(Stdio::null()).env("CI", "true").env_remove("ELECTION_ZOO");
    if planted {
        command.env("ELECTION_ZOO", defect.name);
        // What fails with a defect is nothing to remember.
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "yes");
    }
    let output = command.output().context("cannot start `timeout` of the coreutils")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("running 0 tests") {
        bail!("{} has no test {}", defect.package, defect.test);
    }
    let passed = output.status.success();
    let why = text.lines().find(|line| line.contains("panicked at")).unwrap_or_default();
    match (planted, passed) {
        (false, false) => println!("{}: the test fails without it\n{text}", defect.name),
        (true, false) => println!("  {} {why}", defect.name),
        _ => {}
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_has_a_name_of_its_own() {
        let mut names: Vec<_> = ZOO.iter().map(|defect| defect.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// A defect that is listed and not in the code would be called caught by a test that is merely flaky.
    #[test]
    fn every_defect_that_is_planted_by_name_is_in_the_code() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let crates = ["election-core", "backend-etcd", "backend-zk", "backend-raft"];
        let grep = |name: &str| {
            let pattern = format!("zoo::planted(\"{name}\")");
            let mut command = Command::new("grep");
            command.args(["-rqF", &pattern]).args(crates.map(|folder| root.join(folder).join("src")));
            command.status().is_ok_and(|status| status.success())
        };
        for defect in ZOO.iter().filter(|defect| defect.planted == Planted::ByName) {
            assert!(grep(defect.name), "{} is planted nowhere", defect.name);
        }
    }
}
