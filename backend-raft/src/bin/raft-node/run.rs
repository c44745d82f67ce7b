//! Runs a member until it is told to stop.

use std::io::Write;

use backend_raft::{RaftConfig, RaftMember};
use tokio::signal::unix::{SignalKind, signal};

use crate::Done;

pub(crate) async fn member(url: &str, metrics: Option<&str>) -> Done {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    // Of a member that is down openraft warns a hundred times a second.
    let filter = filter.unwrap_or_else(|_| "info,openraft=error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Before there is anything to measure.
    if let Some(address) = metrics {
        backend_raft::serve_metrics(address)?;
    }
    let config = RaftConfig::from_url(url)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let member = RaftMember::start(&config).await?;
    let node = config.node.map_or(0, |node| node.id);
    let mut announced = false;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            error = member.failed() => return Err(error.into()),
            leader = member.ready(), if !announced => {
                announced = true;
                println!("ready node={node} leader={leader}");
                std::io::stdout().flush()?;
            }
        }
    }
    member.shutdown().await;
    Ok(crate::DONE)
}
