//! `cargo xtask test`: every test, and a summary that can be believed.

mod tally;

use std::{
    env,
    io::{self, BufRead, BufReader, IsTerminal, Read, stderr},
    process::Stdio,
    sync::Mutex,
    thread,
};

use anyhow::{Result, bail};

use crate::{
    cli::TestArguments,
    machine::{self, Provided},
    run::Run,
    runner,
    steps::{Steps, bold},
};
use tally::Tally;

/// Runs the tests after making sure that they find what they need.
pub(crate) fn all(steps: &mut Steps, arguments: &TestArguments) {
    let mut provided = Provided::default();
    steps.run("what the tests need", || {
        let get = if arguments.no_install { machine::accept } else { machine::provide };
        provided = get(machine::EVERYTHING)?;
        Ok(())
    });
    if steps.any_failed() {
        return;
    }
    // Apart from the run, so that the two durations are known, and a test does not compete with the compiler.
    steps.run("build the tests", || provided.to(cargo_test(arguments).args(["--no-run"])).succeed());
    if steps.any_failed() {
        return;
    }
    steps.run("run the tests", || {
        let run = provided.to(cargo_test(arguments));
        let mut tally = watch(run.args(["--"]).args(&arguments.filter))?;
        if arguments.retry && tally.every_failure_has_a_name() {
            println!("{}", bold("once more, by themselves: the tests that failed"));
            tally.forgive(watch(again(&provided, arguments, &tally))?);
        }
        report(&tally)
    });
    if simulates(arguments) {
        steps.run("simulate a Raft group", || runner::seeds_of_the_tests(&provided));
    }
}

/// Whether the simulation is a part of what is tested.
fn simulates(arguments: &TestArguments) -> bool {
    let all = arguments.packages.is_empty() && arguments.filter.is_empty();
    all || arguments.packages.iter().any(|package| package == "sim")
}

/// The failed tests alone, one after the other. Benches take no list of names, so they are left out.
fn again(provided: &Provided, arguments: &TestArguments, tally: &Tally) -> Run {
    let run = provided.to(cargo_test(arguments)).args(["--lib", "--test", "*", "--"]);
    run.args(["--test-threads=1", "--exact"]).args(tally.failed_tests())
}

fn cargo_test(arguments: &TestArguments) -> Run {
    let run = Run::cargo().args(["test", "--all-features", "--no-fail-fast"]);
    let run = match env::var_os("RUST_TEST_THREADS") {
        Some(_) => run,
        // They wait for servers and for sessions to end more than they compute.
        None => run.env(
            "RUST_TEST_THREADS",
            (2 * thread::available_parallelism().map_or(1, usize::from)).to_string(),
        ),
    };
    if arguments.packages.is_empty() {
        return run.args(["--workspace"]);
    }
    run.args(arguments.packages.iter().flat_map(|package| ["--package", package]))
}

/// Runs cargo, passes on all it prints, and counts.
fn watch(run: Run) -> Result<Tally> {
    let colour = stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let mut command = run.env("CARGO_TERM_COLOR", if colour { "always" } else { "never" }).into_command();
    let mut cargo = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            cargo.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            cargo.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            scope.spawn(|| pass_on(stream, &tally));
        }
    });
    let status = cargo.wait()?;
    let mut tally = tally.into_inner().unwrap_or_default();
    tally.set_exit(status.success());
    Ok(tally)
}

/// Line by line, so that the two streams of cargo stay readable; what is not text is shown as well as it can be.
fn pass_on(stream: impl Read, tally: &Mutex<Tally>) {
    for line in BufReader::new(stream).split(b'\n').map_while(io::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Ok(mut tally) = tally.lock() {
            println!("{line}");
            tally.add(&line);
        }
    }
}

fn report(tally: &Tally) -> Result<()> {
    println!();
    for flaky in tally.flaky() {
        println!("{} {flaky}: failed, then passed by itself", bold("FLAKY"));
    }
    for failure in tally.failures() {
        println!("{} {failure}", bold("FAILED"));
    }
    println!("{}", bold(&tally.to_string()));
    if !tally.is_success() {
        bail!("{tally}");
    }
    if machine::is_ci() && tally.passed() == 0 {
        bail!("not one test ran");
    }
    Ok(())
}
