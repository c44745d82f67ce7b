//! The office of Raft leader: taken after the first commit, left when a quorum is out of reach, and used to
//! expire sessions.

use std::time::Duration;

use openraft::ReadPolicy;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use openraft::impls::ProgressResponder;
use openraft_rt::{Instant as _, OptionalSend, OptionalSync, Watch};
use tokio_util::sync::CancellationToken;

use election_core::clock::Instant;

use super::attendance;
use crate::config::RaftTiming;
use crate::metering;
use crate::state_machine::{Command, Replica, SessionId};
use crate::types::{CommittedLeaderId, NodeId, Raft};

/// The most sessions that one entry expires.
const EXPIRED_AT_ONCE: usize = 1000;

/// What the office needs to know about time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfficeTiming {
    /// How often leadership is looked at.
    pub(crate) tick: Duration,
    /// Without a word from a quorum for so long this node stops to serve: another one may lead by now.
    pub(crate) lease: Duration,
}

/// Serves as Raft leader whenever this node is one, until `stop` is cancelled.
pub(crate) async fn run(raft: Raft, replica: Replica, timing: OfficeTiming, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            leader = elected(&raft, timing.tick) => {
                if settle(&raft).await && leadership(&raft) == Some(leader) {
                    tracing::info!(node = raft.node_id(), %leader, "this node is the Raft leader");
                    metering::count(metering::OFFICES);
                    replica.take_office(leader);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = deposed(&raft, leader, timing) => {}
                        () = expire(&raft, &replica, leader) => {}
                        () = attendance::watch(&raft, timing.lease) => {}
                    }
                    replica.leave_office();
                    tracing::info!(node = raft.node_id(), %leader, "this node serves as Raft leader no longer");
                } else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
    replica.leave_office();
}

/// Commits an entry of this leadership, and so settles every entry before it.
///
/// A confirmation by a quorum would not do. This node may have held the office before under the very same
/// leadership, left it for want of a quorum, and left behind a proposal to expire a session that is not
/// committed yet. If sessions got a new TTL before that proposal is settled, one of them could be renewed,
/// and then end all the same.
async fn settle(raft: &Raft) -> bool {
    // First the quorum: a fresh leader accepts no entries before it has heard from one.
    raft.ensure_linearizable(ReadPolicy::ReadIndex).await.is_ok() && raft.write_blank().await.is_ok()
}

/// Under which leadership this node is the Raft leader, if it is.
fn leadership(raft: &Raft) -> Option<CommittedLeaderId> {
    let leads = raft.server_metrics().borrow_watched().state == ServerState::Leader;
    leads.then(|| raft.as_leader().ok()).flatten().map(|leader| leader.to_committed_leader_id())
}

async fn elected(raft: &Raft, tick: Duration) -> CommittedLeaderId {
    let mut metrics = raft.server_metrics();
    loop {
        if let Some(leader) = leadership(raft) {
            return leader;
        }
        news(&mut metrics, tick).await;
    }
}

/// Waits for news of Raft, but no longer than `tick`, which is for what the metrics do not announce. A Raft that has
/// stopped says so at once, each time it is asked: without the pause whoever waits for its news would spin.
async fn news<W, T>(metrics: &mut impl WatchReceiver<W, T>, tick: Duration)
where
    W: Watch,
    T: OptionalSend + OptionalSync,
{
    if let Ok(Err(_)) = tokio::time::timeout(tick, metrics.changed()).await {
        tokio::time::sleep(tick).await;
    }
}

/// Waits until this node is no longer the leader under `leader`, or has lost touch with the quorum.
async fn deposed(raft: &Raft, leader: CommittedLeaderId, timing: OfficeTiming) {
    let mut metrics = raft.server_metrics();
    while leadership(raft) == Some(leader) && in_touch(raft, timing.lease) {
        news(&mut metrics, timing.tick).await;
    }
}

fn in_touch(raft: &Raft, lease: Duration) -> bool {
    #[cfg(zoo)]
    if election_core::zoo::planted("raft-renewal-without-quorum") {
        return true;
    }
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    // A group of one is its own quorum.
    let alone = metrics.membership_config.membership().voter_ids().count() == 1;
    alone || metrics.last_quorum_acked.as_ref().is_some_and(|acked| acked.elapsed() < lease)
}

/// Proposes the end of every session whose time has passed.
async fn expire(raft: &Raft, replica: &Replica, leader: CommittedLeaderId) {
    let mut unsettled: Vec<SessionId> = Vec::new();
    loop {
        let (due, next) = replica.mark_due(&leader);
        unsettled.extend(due);
        // What could not be proposed (no quorum at the moment) stays marked and is proposed again: from the
        // mark on, no renewal of these sessions is accepted.
        let mut refused = Vec::new();
        for sessions in unsettled.chunks(EXPIRED_AT_ONCE) {
            if !propose(raft, leader, sessions.to_vec()).await {
                refused.extend_from_slice(sessions);
            }
        }
        unsettled = refused;
        let pause = match next {
            _ if !unsettled.is_empty() => Duration::from_millis(5),
            Some(next) => next.saturating_duration_since(Instant::now()),
            None => Duration::from_secs(3600),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = replica.deadlines_changed() => {}
        }
    }
}

/// Whether the entry was applied. Bound to one leadership: deadlines of an earlier one say nothing about
/// what a leader in between has promised.
async fn propose(raft: &Raft, leader: CommittedLeaderId, sessions: Vec<SessionId>) -> bool {
    tracing::debug!(?sessions, "proposing the end of sessions");
    let (responder, result) = ProgressResponder::complete_only();
    let command = Command::ExpireSessions { sessions };
    let sent = raft.write(command).with_leader(leader).responder(responder).await;
    sent.is_ok() && matches!(result.await, Ok(Ok(_)))
}

/// Makes the member with the longest log the Raft leader, if this node is it. Sessions and elections do not notice:
/// without it the others would wait for an election timeout.
pub(super) async fn hand_over(raft: &Raft, timing: RaftTiming) {
    let own = *raft.node_id();
    let Some(heir) = heir(raft, own) else { return };
    if let Err(error) = raft.trigger().transfer_leader(heir).await {
        tracing::warn!(%error, "cannot hand over the Raft leadership");
        return;
    }
    let mut metrics = raft.server_metrics();
    let handed_over = async {
        while metrics.borrow_watched().current_leader.is_none_or(|leader| leader == own) {
            if metrics.changed().await.is_err() {
                break;
            }
        }
    };
    // Bounded: if the heir does not take it, the others elect somebody after all.
    tokio::time::timeout(timing.election_max * 2, handed_over).await.ok();
}

/// The voter whose log is the longest, if `own` is the leader and there is one.
fn heir(raft: &Raft, own: NodeId) -> Option<NodeId> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    if metrics.current_leader != Some(own) {
        return None;
    }
    let voters: Vec<NodeId> = metrics.membership_config.membership().voter_ids().collect();
    let replication = metrics.replication.as_ref()?;
    let others = replication.iter().filter(|(id, _)| **id != own && voters.contains(id));
    // Of those with the same log the one that was heard from last: in a quiet group the dead have all of it, too.
    let heard = |id: &NodeId| metrics.heartbeat.as_ref()?.get(id)?.as_ref().map(|at| **at);
    others.max_by_key(|(id, matched)| (**matched, heard(id))).map(|(id, _)| *id)
}
