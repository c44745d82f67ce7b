//! `cargo xtask chaos` and `cargo xtask soak`: build a runner and hand over to it.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{cli::RunnerArguments, machine, run::Run};

/// Lets faults loose on a cluster: `testkit`'s.
///
/// # Errors
///
/// When something is missing, or the runner cannot be built.
pub(crate) fn chaos(arguments: &RunnerArguments) -> Result<ExitCode> {
    hand_over(&["--package", "testkit", "--bins"], "testkit-chaos", arguments)
}

/// Lets elections come and go: `bench`'s.
///
/// # Errors
///
/// When something is missing, or the runner cannot be built.
pub(crate) fn soak(arguments: &RunnerArguments) -> Result<ExitCode> {
    hand_over(&["--package", "bench", "--bins", "--features", "etcd,zk,raft"], "soak", arguments)
}

/// Their exit codes mean something, so they are passed on: `--help` tells them.
fn hand_over(build: &[&str], program: &str, arguments: &RunnerArguments) -> Result<ExitCode> {
    let provided = machine::provide(machine::EVERYTHING)?;
    provided.to(Run::cargo().args(["build", "--quiet"]).args(build)).succeed()?;
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    let program = PathBuf::from(target).join("debug").join(program);
    let mut command = Run::new(program).args(&arguments.arguments).into_command();
    let status = command.status().context("cannot start it")?;
    // Without a code it was killed.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(4)))
}
