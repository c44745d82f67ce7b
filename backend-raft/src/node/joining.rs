//! How a node that is to join asks to be let in.

use std::sync::Arc;
use std::time::Duration;

use election_core::Backoff;
use openraft::RaftMetrics;
use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;

use super::service::Parts;
use crate::error::NodeError;
use crate::network::{CallError, Change, Failure, Group, Request};
use crate::types::{Membership, NodeId, TypeConfig};

/// How long one question may take. It may take longer to copy the state: whoever asks again waits for the same change.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until this node is a voter, or the group will not have it. Asked twice, also after a restart in the middle,
/// it does no harm.
pub(super) async fn ask(
    parts: Arc<Parts>,
    group: Group,
    address: String,
    replaces: Option<NodeId>,
) -> Result<(), NodeError> {
    let (node, incarnation) = (parts.identity.node, Some(parts.identity.incarnation));
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        if votes(&parts) {
            return Ok(());
        }
        let change = Change::Add { node, address: address.clone(), replaces, incarnation };
        let error = match group.call(Request::Change(change), PATIENCE).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let not_admitted =
            |why: &dyn std::fmt::Display| NodeError::NotAdmitted { node, why: why.to_string() };
        match &error.last {
            CallError::Failure(Failure::Never { why }) => return Err(not_admitted(why)),
            CallError::Refused(refused) if refused.is_lasting() => return Err(not_admitted(refused)),
            CallError::Failure(Failure::Forbidden { why }) => return Err(not_admitted(why)),
            _ => tracing::warn!(
                %error,
                "cannot join the group yet: is it up? (those who form a group are started without join)"
            ),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Makes sure that a data directory with a past is of the group in the list: that group has, or had, one of the others
/// in the list. Waits for ever if it is, if it has no past, or if it cannot be known without a majority.
pub(super) async fn check_past(parts: Arc<Parts>) -> NodeError {
    let (node, list) = (parts.identity.node, parts.peers.list());
    if parts.pristine {
        std::future::pending::<()>().await;
    }
    let Some(members) = past(parts.raft.metrics()).await else { std::future::pending().await };
    let (_, used) = parts.replica.used_ids();
    let others: Vec<NodeId> = list.keys().copied().filter(|id| *id != node).collect();
    if others.is_empty() || others.iter().any(|id| used.contains(id)) {
        std::future::pending::<()>().await;
    }
    let known: Vec<String> =
        members.membership().nodes().map(|(id, at)| format!("{id}@{}", at.addr)).collect();
    let why = format!(
        "its data directory is that of a member of another group ({}), in which none of the other members in its list \
         ever was: give it an empty data directory, or the right list",
        known.join(",")
    );
    NodeError::NotAdmitted { node, why }
}

/// The members by this node's log, as soon as they are applied: whoever was a member before them is on the roll then.
/// `None` if Raft ends before.
async fn past(mut metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>) -> Option<Arc<Membership>> {
    // What Raft says of itself before it runs is not from its log.
    let members = loop {
        let members = metrics.borrow_and_update().membership_config.clone();
        if members.log_id().is_some() {
            break members;
        }
        metrics.changed().await.ok()?;
    };
    while metrics.borrow_and_update().last_applied.as_ref() < members.log_id().as_ref() {
        metrics.changed().await.ok()?;
    }
    Some(members)
}

/// Whether this node votes, by what the group has decided: what is only in the log may come to nothing.
fn votes(parts: &Parts) -> bool {
    let members = parts.replica.members();
    members.borrow().iter().any(|member| member.id == parts.identity.node && member.votes)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use openraft::async_runtime::WatchSender;
    use openraft::type_config::TypeConfigExt;

    use super::*;
    use crate::samples::log_id;

    /// A node whose check came before Raft had read its log found no members in it, and asked no more.
    #[tokio::test]
    async fn the_past_is_known_when_raft_has_read_its_log_and_applied_it() {
        let (raft, metrics) = TypeConfig::watch_channel(RaftMetrics::new_initial(1));
        let mut past = Box::pin(past(metrics));
        assert_eq!(past.as_mut().now_or_never(), None);
        let members = Membership::new(Some(log_id(3)), openraft::Membership::default());
        let mut told = RaftMetrics { membership_config: Arc::new(members), ..RaftMetrics::new_initial(1) };
        raft.send(told.clone()).unwrap();
        assert_eq!(past.as_mut().now_or_never(), None);
        told.last_applied = Some(log_id(2));
        raft.send(told.clone()).unwrap();
        assert_eq!(past.as_mut().now_or_never(), None);
        told.last_applied = Some(log_id(3));
        raft.send(told).unwrap();
        assert_eq!(past.await.unwrap().log_id(), &Some(log_id(3)));
    }
}
