//! The service: each of its processes campaigns, and the one that leads does the billing.

mod desk;
mod orders;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use election::{Backoff, Candidate, ElectorExt};

use self::desk::Desk;
use self::orders::Orders;
use super::plant::{CrashPoint, Plant};
use super::wire::{Order, Report, report};

/// What a worker is told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerArgs {
    /// The coordination service.
    #[arg(long)]
    pub url: String,
    /// The election.
    #[arg(long)]
    pub election: String,
    /// This worker's name.
    #[arg(long)]
    pub name: String,
    /// The ledger.
    #[arg(long)]
    pub ledger: PathBuf,
    /// The payment provider.
    #[arg(long)]
    pub provider: String,
    /// A defect to switch on.
    #[arg(long)]
    pub plant: Option<Plant>,
    /// Where to die.
    #[arg(long)]
    pub crash_at: Option<CrashPoint>,
}

/// Runs one worker until it is told to quit, or its parent ends.
///
/// # Errors
/// If it cannot connect, or for an error that no repetition cures.
pub async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    let orders = Orders::from_stdin()?;
    let served = serve(&args, &orders).await;
    if let Err(error) = &served {
        report(&Report::Failed { error: format!("{}: {error:#}", args.name) });
    }
    served
}

async fn serve(args: &WorkerArgs, orders: &Orders) -> anyhow::Result<()> {
    let desk = Arc::new(Desk::open(args)?);
    let coordinator = election::connect(&args.url).await?;
    let elector = coordinator.elector(&args.election)?;
    let candidate = Candidate::new(&args.name)?.with_value(args.provider.clone())?;
    report(&Report::Ready);

    let mut backoff = Backoff::default();
    while orders.present() != Order::Quit {
        // The token of the leadership while it lasts; 0 while this worker waits for one.
        let leading = AtomicU64::new(0);
        let led = elector.lead(candidate.clone(), |leadership| {
            leading.store(leadership.token().get(), Ordering::SeqCst);
            desk.clone().reign(leadership, orders.clone())
        });
        tokio::pin!(led);
        let outcome = tokio::select! {
            outcome = &mut led => outcome,
            // A leader that is told to quit finishes, then resigns; one that waits just leaves the queue.
            () = orders.quit() => if leading.load(Ordering::SeqCst) > 0 { led.await } else { break },
        };
        let token = leading.load(Ordering::SeqCst);
        match outcome {
            Ok(Ok(())) => {
                report(&Report::Ended { token, why: "resigned".into() });
                backoff.reset();
            }
            Ok(Err(error)) => {
                report(&Report::Ended { token, why: format!("{error:#}") });
                // Whoever cannot reach the ledger should not lead: let another try first.
                tokio::time::sleep(backoff.next_delay()).await;
            }
            Err(error) if error.is_retryable() => {
                report(&Report::Ended { token, why: error.to_string() });
            }
            Err(error) => return Err(error).context("the election cannot go on"),
        }
        orders.done();
    }
    // Not confirmed is no reason to fail: what is left in the service goes with the session's TTL.
    if let Err(error) = coordinator.close().await {
        tracing::warn!(%error, "the coordinator did not confirm its end");
    }
    Ok(())
}
