//! `cargo xtask chaos`, `soak` and `sim`: build a runner and hand over to it.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    cli::RunnerArguments,
    machine::{self, Provided},
    run::Run,
};

/// Optimised: a run takes a tenth of the time then, and there are many.
const SIMULATION: [&str; 3] = ["--release", "--package", "sim"];

/// Lets faults loose on a cluster: `testkit`'s.
///
/// # Errors
///
/// When something is missing, or the runner cannot be built.
pub(crate) fn chaos(arguments: &RunnerArguments) -> Result<ExitCode> {
    build(&machine::provide(machine::EVERYTHING)?, &["--package", "testkit", "--bins"])?;
    hand_over("debug/testkit-chaos", arguments)
}

/// Lets elections come and go: `bench`'s.
///
/// # Errors
///
/// When something is missing, or the runner cannot be built.
pub(crate) fn soak(arguments: &RunnerArguments) -> Result<ExitCode> {
    let what = ["--package", "bench", "--bins", "--features", "etcd,zk,raft"];
    build(&machine::provide(machine::EVERYTHING)?, &what)?;
    hand_over("debug/soak", arguments)
}

/// Simulates Raft groups.
///
/// # Errors
///
/// When it cannot be built.
pub(crate) fn sim(arguments: &RunnerArguments) -> Result<ExitCode> {
    Run::cargo().args(["build", "--quiet"]).args(SIMULATION).succeed()?;
    hand_over("release/election-sim", arguments)
}

/// The seeds of the simulation that belong to the tests.
///
/// # Errors
///
/// When a law is broken, or it cannot be built.
pub(crate) fn seeds_of_the_tests(provided: &Provided) -> Result<()> {
    build(provided, &SIMULATION)?;
    built("release/election-sim").args(["--seeds", "2000"]).succeed()
}

fn build(provided: &Provided, what: &[&str]) -> Result<()> {
    provided.to(Run::cargo().args(["build", "--quiet"]).args(what)).succeed()
}

fn built(program: &str) -> Run {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    Run::new(PathBuf::from(target).join(program))
}

/// Their exit codes mean something, so they are passed on: `--help` tells them.
fn hand_over(program: &str, arguments: &RunnerArguments) -> Result<ExitCode> {
    let status = built(program).args(&arguments.arguments).into_command().status();
    let status = status.context("cannot start it")?;
    // Without a code it was killed.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(4)))
}
