//! Forming a group exactly once, from the same command line on every member.
//!
//! A node whose data directory is empty asks the others before it does anything. If one of them belongs to a
//! formed group, it waits to be told by the Raft leader. If a majority (itself included) has no past either,
//! it writes the first entry, the list of members. Several may do so at once: the entry is the same, and the
//! vote decides whose log goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::BasicNode;
use openraft::errors::{InitializeError, RaftError};

use crate::error::NodeError;
use crate::network::{CallError, Peers, Request, Response};
use crate::types::{NodeId, Raft};

/// How long a member may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(20);

/// What one round of questions found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Somebody belongs to a formed group.
    Formed,
    /// So many members, this one included, have no past.
    Pristine(usize),
}

/// Asks every other member once.
pub(super) async fn ask(peers: &Peers) -> Result<Found, NodeError> {
    let mut answers: FuturesUnordered<_> = peers
        .links()
        .map(|(id, link)| async move { (id, link.call(Request::Status, PATIENCE).await) })
        .collect();
    let mut pristine = 1;
    while let Some((id, answer)) = answers.next().await {
        match answer {
            Ok(Response::Status(status)) if status.formed => return Ok(Found::Formed),
            Ok(_) => pristine += 1,
            // A node that comes up a little later is not refused, it is unreachable: a refusal is for good.
            Err(CallError::Refused(refused)) if refused.is_lasting() => {
                return Err(NodeError::Refused { by: id, refused });
            }
            Err(error) => tracing::debug!(node = id, %error, "a member does not answer yet"),
        }
    }
    Ok(Found::Pristine(pristine))
}

/// Forms the group, or waits until it has been formed.
pub(super) async fn form(
    raft: Raft,
    peers: Peers,
    members: BTreeMap<NodeId, String>,
) -> Result<(), NodeError> {
    let majority = members.len() / 2 + 1;
    loop {
        if raft.is_initialized().await.map_err(NodeError::stopped)? {
            return Ok(());
        }
        match ask(&peers).await? {
            Found::Pristine(count) if count >= majority => break,
            Found::Pristine(_) | Found::Formed => tokio::time::sleep(PAUSE).await,
        }
    }
    let nodes: BTreeMap<NodeId, BasicNode> =
        members.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
    match raft.initialize(nodes).await {
        // Not allowed: another member was faster and its leader has told us already.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(RaftError::APIError(error)) => Err(NodeError::stopped(error)),
        Err(RaftError::Fatal(error)) => Err(NodeError::stopped(error)),
    }
}
