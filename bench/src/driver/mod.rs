//! The line protocol of the `driver` binary: our backends, process by process, for any outside program.
//!
//! ```text
//! driver BACKEND VERB --endpoints H:P,H:P --election NAME [--ttl-ms N] [--candidates C] [--seconds S]
//!        [--warmup S] [--id ID] [--observers N] [--elections N] [--data-dir D]
//! ```
//!
//! Events are JSON objects, one per line on the standard output (`event`); commands are lines on the
//! standard input (`input`); every time is `CLOCK_MONOTONIC` in nanoseconds. An `error` event, or the end of
//! the output, means failure.

mod args;
mod candidate;
mod connect;
mod cycle;
mod event;
mod herd;
mod idle;
mod input;
mod observer;
mod sampler;

use std::process::ExitCode;

use anyhow::Result;
use election::Coordinator;

pub use args::{Args, Backend, Verb};
pub use event::{Event, Output};
pub use input::{Command, Input};

/// Does what the command line says; a failure is an `error` event and a failing exit code.
pub async fn run(args: Args) -> ExitCode {
    let output = Output::stdout();
    match dispatch(&args, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(args: &Args, output: &Output) -> Result<()> {
    args.validate()?;
    let input = Input::stdin();
    if args.verb == Verb::Candidate {
        return candidate::run(args, input, output).await;
    }
    let coordinator = connect::connect(args).await?;
    let done = match args.verb {
        Verb::Cycle => cycle::run(&*coordinator, args, output).await,
        Verb::Observer => observer::run(&*coordinator, args, input, output).await,
        Verb::Herd => herd::run(&*coordinator, args, input, output).await,
        Verb::Idle => idle::run(&*coordinator, args, input, output).await,
        Verb::Candidate => unreachable!("handled above: it accepts commands before it is connected"),
    };
    close(&*coordinator).await;
    done
}

/// Leaves nothing behind in the service. What cannot be removed now goes with the TTL, so a failure here is
/// a remark and no result.
async fn close(coordinator: &dyn Coordinator) {
    if let Err(error) = coordinator.close().await {
        eprintln!("driver: {error}");
    }
}
