//! Notices when a node cannot go on, and stops it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::joining;
use super::service::Parts;
use crate::error::NodeError;
use crate::network::{Refused, Request};
use crate::store::LogStore;
use crate::types::{NodeId, Raft};

/// How often the others' refusals are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How often one of the others is asked whether this node is still a member.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const ASK_PATIENCE: Duration = Duration::from_secs(1);

/// Runs until `stop` is cancelled or the node cannot go on; then says why and stops it, so that clients turn
/// to the others.
pub(super) async fn watch(
    parts: Arc<Parts>,
    forming: Option<BoxFuture<'static, Result<(), NodeError>>>,
    failed: watch::Sender<Option<NodeError>>,
    stop: CancellationToken,
) {
    let Parts { raft, log, .. } = &*parts;
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
        error = broken(raft, log) => error,
        error = refused(&parts) => error,
        error = joining::check_past(parts.clone()) => error,
        () = ask_around(&parts) => return,
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

/// Waits until so many members refuse this node for good that it can be of no use, or one says that it was removed.
async fn refused(parts: &Parts) -> NodeError {
    let own = parts.identity.node;
    loop {
        tokio::time::sleep(EVERY).await;
        let members: Vec<_> = parts.replica.members().borrow().iter().map(|member| member.id).collect();
        // Whoever was a member once, and is in the list still, has no say.
        let has_say = |id: NodeId| id != own && (members.is_empty() || members.contains(&id));
        let refusals = parts.peers.refusals().into_iter().filter(|(_, refused)| refused.is_lasting());
        let refusals: Vec<_> = refusals.collect();
        let removed = refusals.iter().find(|(_, refused)| matches!(refused, Refused::Removed { .. }));
        if let Some((by, refused @ Refused::Removed { free, .. })) = removed {
            // It is a member's word about what the group has decided, and that is never undone. Kept, because those
            // who know may be gone when this node is started again.
            if let Err(error) = parts.log.note_removal(*free).await {
                tracing::error!(%error, "cannot note that this node was removed");
            }
            return NodeError::Removed { by: *by, refused: refused.clone() };
        }
        let refusals: Vec<_> = refusals.into_iter().filter(|(id, _)| has_say(*id)).collect();
        if let Some((by, refused)) = refusals.first() {
            tracing::error!(by, %refused, "a member refuses this node");
            let others = parts.peers.links().iter().filter(|(id, _)| has_say(*id)).count();
            if refusals.len() * 2 > others {
                return NodeError::Refused { by: *by, refused: refused.clone() };
            }
        }
    }
}

/// Asks one of the others after the other, for ever, whether this node is still one of them: a member that is removed
/// is just not called any more.
async fn ask_around(parts: &Parts) {
    let mut last = parts.identity.node;
    loop {
        let others = fellows(parts);
        let next =
            others.range((Bound::Excluded(last), Bound::Unbounded)).next().or(others.first_key_value());
        if let Some((id, address)) = next.filter(|_| parts.replica.serving().is_none()) {
            last = *id;
            // What matters of the answer is kept by the link.
            parts.peers.link(*id, address).call(Request::Status, ASK_PATIENCE).await.ok();
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// The other members, as far as the log says, and those of the list that were members with this node once. Nobody
/// else: a node that is called by a member remembers it.
fn fellows(parts: &Parts) -> BTreeMap<NodeId, String> {
    let (_, used) = parts.replica.used_ids();
    let listed = parts.peers.list().iter().filter(|(id, _)| used.contains(id));
    let mut all: BTreeMap<NodeId, String> = listed.map(|(id, address)| (*id, address.clone())).collect();
    let metrics = parts.raft.metrics();
    let metrics = metrics.borrow_watched();
    all.extend(metrics.membership_config.membership().nodes().map(|(id, node)| (*id, node.addr.clone())));
    all.remove(&parts.identity.node);
    all
}
