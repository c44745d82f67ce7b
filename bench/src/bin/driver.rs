//! `driver BACKEND VERB …`: one process of a backend, for any outside program. See [`bench::driver`].

use std::process::ExitCode;

use bench::driver::{Args, run};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    bench::worker::bind_to_parent();
    run(Args::parse()).await
}
