//! What a Raft leader does for the roll of members and for changes that were left half done.

use std::sync::Arc;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use tokio_util::sync::CancellationToken;

use super::service::Parts;
use crate::network::{Request, Response};
use crate::state_machine::Command;
use crate::types::NodeId;

/// How long a member may take to say which data directory it has.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether there is something to do.
const EVERY: Duration = Duration::from_millis(250);

/// Runs until `stop` is cancelled.
pub(super) async fn run(parts: Arc<Parts>, stop: CancellationToken) {
    let work = async {
        loop {
            if parts.replica.serving().is_some() {
                finish(&parts).await;
                enroll(&parts).await;
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Ends a change that a leader before this one has begun: half of it is in the log, and the group needs two
/// majorities until the other half is, too.
async fn finish(parts: &Parts) {
    #[cfg(zoo)]
    if election_core::zoo::planted("raft-change-left-half-done") {
        return;
    }
    let joint = {
        let metrics = parts.raft.metrics();
        let metrics = metrics.borrow_watched();
        let (latest, committed) = (&metrics.membership_config, &metrics.committed_membership_config);
        latest.membership().get_joint_config().len() > 1 && latest.log_id() == committed.log_id()
    };
    // A change that is under way here ends itself.
    let Some(_quiet) = joint.then(|| parts.changes.quiet()).flatten() else { return };
    tracing::info!("finishing a change of the members that was left half done");
    let nothing_more = ChangeMembers::AddVoterIds(Default::default());
    if let Err(error) = parts.raft.change_membership(nothing_more, false).await {
        tracing::debug!(%error, "cannot finish a change of the members yet");
    }
}

/// Writes down which data directory belongs to each member that is up, if that is not known yet.
pub(super) async fn enroll(parts: &Parts) {
    let members = parts.replica.members().borrow().clone();
    for member in members {
        if parts.replica.incarnation(member.id).is_some() {
            continue;
        }
        let own = member.id == parts.identity.node;
        let incarnation = if own {
            Some(parts.identity.incarnation)
        } else {
            asked(parts, member.id, &member.address).await
        };
        let Some(incarnation) = incarnation else { continue };
        let command = Command::Enroll { node: member.id, incarnation };
        if let Err(error) = tokio::time::timeout(parts.patience, parts.raft.client_write(command)).await {
            tracing::debug!(%error, node = member.id, "cannot enroll a member yet");
        }
    }
}

/// The data directory of a member, by its own account. The connection has been compared with what is known of it.
async fn asked(parts: &Parts, id: NodeId, address: &str) -> Option<u128> {
    match parts.peers.link(id, address).call(Request::Status, PATIENCE).await {
        Ok(Response::Status(status)) => Some(status.incarnation),
        _ => None,
    }
}
