//! How a node is, by its own account.

use std::sync::Arc;

use futures::{StreamExt, stream};
use openraft::async_runtime::WatchReceiver;

use super::service::Parts;
use crate::network::{Item, ItemStream, Status};

/// What the node knows about itself and the group.
pub(super) fn of(parts: &Parts) -> Status {
    let metrics = parts.raft.metrics();
    let metrics = metrics.borrow_watched();
    let (sessions, elections) = parts.replica.counts();
    let members = parts.replica.members().borrow().clone();
    Status {
        formed: metrics.membership_config.membership().voter_ids().next().is_some(),
        pristine: parts.log.is_pristine(),
        joins: parts.joins,
        incarnation: parts.identity.incarnation,
        list: parts.peers.list().clone(),
        members,
        used: parts.replica.used_ids().1,
        leader: metrics.current_leader,
        term: metrics.current_term,
        last: metrics.last_log_index.unwrap_or(0),
        committed: metrics.cluster_committed.map_or(0, |id| id.index),
        applied: metrics.last_applied.map_or(0, |id| id.index),
        sessions,
        elections,
    }
}

/// The members, now and whenever they change.
pub(super) fn watch_members(parts: &Arc<Parts>) -> ItemStream {
    let members = parts.replica.members();
    let states = stream::unfold((members, true), |(mut members, first)| async move {
        if !first {
            members.changed().await.ok()?;
        }
        let now = members.borrow_and_update().clone();
        Some((Item::Members(now), (members, false)))
    });
    states.boxed()
}
