//! Leader election for a billing service that cannot charge twice: see `--help`.

use std::process::ExitCode;

use clap::Parser;
use examples::billing::cli::{Cli, Role};
use examples::billing::stage::{self, Verdict};
use examples::billing::{provider, worker};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Standard output belongs to the account and to the reports; logs go to standard error.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match run(cli) {
        Ok(Verdict::Settled) => ExitCode::SUCCESS,
        Ok(Verdict::NotSettled) => ExitCode::FAILURE,
        Ok(Verdict::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Verdict> {
    let mut runtime = match cli.role {
        // One thread, which lives as long as the process: the children are tied to it.
        None => tokio::runtime::Builder::new_current_thread(),
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    match cli.role {
        None => runtime.block_on(stage::run(cli.run)),
        Some(Role::Worker(args)) => runtime.block_on(worker::run(args)).map(|()| Verdict::Settled),
        Some(Role::Provider(args)) => {
            runtime.block_on(provider::run(&args.database, args.port, args.script)).map(|()| Verdict::Settled)
        }
    }
}
