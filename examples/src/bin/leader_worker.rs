//! The worker to copy: waits until it leads, works as long as it does, and hands over on Ctrl-C.
//!
//!     cargo run -p examples --bin leader_worker
//!     cargo run -p examples --features etcd --bin leader_worker -- etcd://127.0.0.1:2379

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use election::{Candidate, ElectorExt, FencingToken, LeadershipHandle};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let data = tempfile::tempdir()?;
    // For trying it out: a Raft group of one node. In earnest give three, or a cluster's URL.
    let alone = format!("raft://127.0.0.1:7001?node=1&data={}", data.path().display());
    let url = std::env::args().nth(1).unwrap_or(alone);

    let coordinator = election::connect(&url).await?;
    let elector = coordinator.elector("copied-worker")?;
    let me = format!("worker-{}", std::process::id());
    let (stop, mut stopping) = watch::channel(false);
    tokio::spawn(async move { tokio::signal::ctrl_c().await.map(|()| stop.send_replace(true)) });

    while !*stopping.borrow() {
        // Observers see the value: put the address there under which the leader is reached.
        let candidate = Candidate::new(&me)?.with_value("127.0.0.1:8080")?;
        let working = stopping.clone();
        let leading = AtomicBool::new(false);
        let led = elector.lead(candidate, |leadership| {
            leading.store(true, Ordering::Relaxed);
            work(leadership, working)
        });
        tokio::pin!(led);
        let outcome = tokio::select! {
            outcome = &mut led => outcome,
            // A leader finishes its unit of work, then resigns; one that waits leaves the queue.
            _ = stopping.wait_for(|stop| *stop) => if leading.load(Ordering::Relaxed) { led.await } else { break },
        };
        match outcome {
            Err(error) if error.is_retryable() => eprintln!("{error}"),
            outcome => outcome?,
        }
    }
    // Not confirmed is no failure: what is left in the service goes with the TTL.
    coordinator.close().await.unwrap_or_else(|error| eprintln!("{error}"));
    Ok(())
}

/// What the leader does; it ends when leadership or the process does.
async fn work(leadership: LeadershipHandle, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        // Before every unit of work, as late as possible.
        let Ok(token) = leadership.check() else { break };
        unit_of_work(token).await;
    }
}

/// Sends the token along: a resource that compares it (see `election::gate`) refuses a leader of the past.
async fn unit_of_work(token: FencingToken) {
    println!("working under token {token}");
    tokio::time::sleep(Duration::from_secs(1)).await;
}
