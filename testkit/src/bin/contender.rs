//! A worker process for the proving ground: see [`testkit::contender`].
#![forbid(unsafe_code)]

use clap::Parser;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match testkit::contender::run(testkit::contender::Args::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testkit-contender: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
