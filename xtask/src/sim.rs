//! `cargo xtask sim`: builds the simulation and hands over to it.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    cli::SimArguments,
    machine::Provided,
    run::Run,
};

/// Optimised: a run takes a tenth of the time then, and there are many.
const BUILD: [&str; 5] = ["build", "--quiet", "--release", "--package", "sim"];

/// Its exit codes mean something, so they are passed on: `cargo xtask sim --help` tells them.
///
/// # Errors
///
/// When it cannot be built.
pub(crate) fn run(arguments: &SimArguments) -> Result<ExitCode> {
    Run::cargo().args(BUILD).succeed()?;
    let status = program().args(&arguments.arguments).into_command().status();
    let status = status.context("cannot start the simulation")?;
    // Without a code it was killed.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(4)))
}

/// The seeds that belong to the tests.
///
/// # Errors
///
/// When a law is broken, or it cannot be built.
pub(crate) fn test(provided: &Provided) -> Result<()> {
    provided.to(Run::cargo().args(BUILD)).succeed()?;
    program().args(["--seeds", "1000"]).succeed()
}

fn program() -> Run {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    Run::new(PathBuf::from(target).join("release/election-sim"))
}
