//! `cargo xtask …`: what a developer and CI run.
#![forbid(unsafe_code)]

mod check;
mod cli;
mod clock;
mod instructions;
mod machine;
mod report;
mod run;
mod runner;
mod steps;
mod test;
mod zoo;

use std::{env, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Task};
use steps::Steps;

fn main() -> ExitCode {
    let outcome = zoo::compile().unwrap_or_else(|| perform(Cli::parse().task));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\n{}: {error:#}", steps::bold("error"));
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<ExitCode> {
    // Every path in this program is relative to the root of the workspace.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
    env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))?;
    let mut steps = Steps::default();
    match task {
        Task::Setup => steps.run("what the tests need", || machine::provide(machine::EVERYTHING).map(drop)),
        Task::Test(arguments) => test::all(&mut steps, &arguments),
        Task::Zoo(arguments) => zoo::all(&mut steps, &arguments),
        Task::Check => check::all(&mut steps),
        Task::Chaos(arguments) => return runner::chaos(&arguments),
        Task::Soak(arguments) => return runner::soak(&arguments),
        Task::Instructions(arguments) => instructions::all(&mut steps, &arguments),
        Task::Report(arguments) => steps.run("report", || report::all(&arguments)),
        Task::Deny => steps.run("licences, bans, sources", check::deny),
    }
    steps.finish().map(|()| ExitCode::SUCCESS)
}
