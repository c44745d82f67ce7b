//! Which members answer the Raft leader: the log says it once, and changes of the members ask.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft_rt::Instant as _;

use crate::types::{NodeId, Raft};

/// A member that was not heard from for so long counts as down. A heartbeat that is late on a busy machine does not make
/// it a dead one.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether a member answers.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a member may be silent, or not heard from yet, before it counts as down.
pub(super) fn patience(election_max: Duration) -> Duration {
    HEARD_WITHIN.max(election_max * 2)
}

/// Whether this node, as Raft leader, has heard from a member lately.
pub(super) fn is_up(raft: &Raft, id: NodeId, election_max: Duration) -> bool {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(&id)?.as_ref());
    id == metrics.id || heard.is_some_and(|heard| heard.elapsed() < patience(election_max))
}

/// Says which members do not answer, and when they do again. Of a Raft leader that has just been elected nobody has had
/// time to.
pub(super) async fn watch(raft: &Raft, election_max: Duration) {
    let mut silent = BTreeSet::new();
    tokio::time::sleep(patience(election_max)).await;
    loop {
        let members = raft.metrics().borrow_watched().membership_config.membership().clone();
        let ids = members.nodes().map(|(id, _)| *id);
        let now: BTreeSet<NodeId> = ids.filter(|id| !is_up(raft, *id, election_max)).collect();
        for node in now.difference(&silent) {
            tracing::warn!(node, "a member does not answer the Raft leader");
        }
        for node in silent.difference(&now).filter(|id| members.get_node(id).is_some()) {
            tracing::info!(node, "a member answers the Raft leader again");
        }
        silent = now;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
