//! `cargo xtask chaos`: builds the chaos runner and hands over to it.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{cli::ChaosArguments, machine, run::Run};

/// Its exit codes mean something, so they are passed on: `cargo xtask chaos --help` tells them.
///
/// # Errors
///
/// When something is missing, or the runner cannot be built.
pub(crate) fn run(arguments: &ChaosArguments) -> Result<ExitCode> {
    let provided = machine::provide(machine::EVERYTHING)?;
    provided.to(Run::cargo().args(["build", "--quiet", "--package", "testkit", "--bins"])).succeed()?;
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    let program = PathBuf::from(target).join("debug/testkit-chaos");
    let mut command = Run::new(program).args(&arguments.arguments).into_command();
    let status = command.status().context("cannot start the chaos runner")?;
    // Without a code it was killed.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(4)))
}
