//! Notices when a node cannot go on, and stops it.

use std::future::Future;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;
use crate::network::Peers;
use crate::store::LogStore;
use crate::types::Raft;

/// How often the others' refusals are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Runs until `stop` is cancelled or the node cannot go on; then says why and stops it, so that clients turn
/// to the others.
pub(super) async fn watch(
    raft: Raft,
    log: LogStore,
    peers: Peers,
    forming: Option<impl Future<Output = Result<(), NodeError>>>,
    failed: watch::Sender<Option<NodeError>>,
    stop: CancellationToken,
) {
    let formed = async {
        match forming {
            None => std::future::pending().await,
            Some(forming) => match forming.await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            },
        }
    };
    let error = tokio::select! {
        // First: a node that is being shut down sees Raft stop as well.
        biased;
        () = stop.cancelled() => return,
        error = formed => error,
        error = broken(&raft, &log) => error,
        error = refused(&peers) => error,
    };
    tracing::error!(node = raft.node_id(), %error, "this node stops");
    stop.cancel();
    raft.shutdown().await.ok();
    failed.send_replace(Some(error));
}

/// Waits until Raft has stopped, which it does when the disk fails.
async fn broken(raft: &Raft, log: &LogStore) -> NodeError {
    let mut metrics = raft.metrics();
    loop {
        if let Err(fatal) = &metrics.borrow_watched().running_state {
            return NodeError::from_fatal(fatal, log.failure());
        }
        if metrics.changed().await.is_err() {
            return NodeError::Stopped { why: "Raft has ended".into() };
        }
        // They change with every entry; there is no need to look each time.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until so many members refuse this node for good that it can be of no use.
async fn refused(peers: &Peers) -> NodeError {
    loop {
        tokio::time::sleep(EVERY).await;
        let refusals: Vec<_> = peers.refusals().filter(|(_, refused)| refused.is_lasting()).collect();
        if let Some((by, refused)) = refusals.first() {
            tracing::error!(by, %refused, "a member refuses this node");
            let others = peers.links().count();
            if refusals.len() * 2 > others {
                return NodeError::Refused { by: *by, refused: refused.clone() };
            }
        }
    }
}
