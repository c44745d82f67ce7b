//! The simulation's program: see [`sim`].
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sim::args::Args;
use sim::fleet::{Account, Fleet};
use testkit::checker::Verdict;

/// A simulated millisecond takes microseconds. One that takes so long, on whatever machine, never ends.
const STUCK: Duration = Duration::from_secs(60);

/// Ends a run in which some task never waits, so that simulated time stands still.
fn watch() {
    loop {
        let before = sim::steps();
        std::thread::sleep(STUCK);
        if sim::steps() == before {
            eprintln!("simulated time stands still: some task never waits");
            std::process::abort();
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match perform(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(4)
        }
    }
}

fn perform(args: &Args) -> Result<ExitCode> {
    if let Some(seed) = args.child {
        // A task that panics is a defect wherever it is, and tokio would only end it.
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tell(panic);
            std::process::abort();
        }));
        std::thread::spawn(watch);
        println!("{}", serde_json::to_string(&sim::run(seed, args.loud))?);
        return Ok(ExitCode::SUCCESS);
    }
    let fleet = Fleet::new(&std::env::current_exe()?)?;
    if let Some(seed) = args.seed {
        let outcome = fleet.tell(seed)?;
        println!("\n{}", serde_json::to_string_pretty(&outcome)?);
        outcome.violations.iter().for_each(|says| println!("violation: {says}"));
        return Ok(ExitCode::from(match outcome.verdict() {
            Verdict::Passed => 0,
            Verdict::Violated => 1,
            Verdict::NotExercised => 3,
        }));
    }
    let account = many(args, &fleet)?;
    println!("{account}");
    for (seed, violations) in &account.violated {
        println!("seed {seed}: {}", violations[0]);
        println!("again: cargo xtask sim --seed {seed}");
    }
    Ok(ExitCode::from(if !account.violated.is_empty() {
        1
    } else if account.idle * 10 > account.runs() {
        3
    } else {
        0
    }))
}

fn many(args: &Args, fleet: &Fleet) -> Result<Account> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = ProgressBar::new(args.seeds);
    // The template is a constant, and right.
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {per_sec} {msg}");
    bar.set_style(style.expect("a template"));
    let mut violated = 0;
    let account =
        fleet.all(args.first..args.first + args.seeds, args.jobs.unwrap_or(processors), |outcome| {
            bar.inc(1);
            let broken = outcome.verdict() == Verdict::Violated;
            violated += u64::from(broken);
            bar.set_message(format!("{violated} violations"));
            args.keep_going || !broken
        });
    bar.finish_and_clear();
    account
}
