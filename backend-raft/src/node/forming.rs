//! Forming a group exactly once, from the same command line on every member.
//!
//! A node whose data directory is empty asks the others before it does anything. If one of them belongs to a
//! formed group, it waits to be told by the Raft leader. If a majority (itself included) has no past either,
//! it writes the first entry, the list of members. Several may do so at once: the entry is the same, and the
//! vote decides whose log goes on.
//!
//! Two lists that differ would be two groups that share a member, so whoever finds another list than its own stops.

use std::collections::BTreeMap;
use std::time::Duration;

use election_core::clock::Instant;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::BasicNode;
use openraft::errors::{InitializeError, RaftError};

use crate::error::NodeError;
use crate::network::{CallError, Link, Peers, Request, Response, Status};
use crate::types::{NodeId, Raft};

/// How long a member may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(20);
/// How often the log says that this goes on.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What one round of questions found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Somebody belongs to a formed group.
    Formed,
    /// So many members, this one included, have no past.
    Pristine(usize),
}

/// The other members of the list, as a node asks them that they have not met.
pub(super) struct Others {
    own: NodeId,
    peers: Peers,
    introductions: Vec<(NodeId, Link)>,
}

impl Others {
    /// Those in the list of `peers`.
    pub(super) fn new(own: NodeId, peers: Peers) -> Self {
        let others = peers.list().iter().filter(|(id, _)| **id != own);
        let introductions = others.map(|(id, address)| (*id, peers.introduction(*id, address))).collect();
        Self { own, peers, introductions }
    }

    /// Asks one of them. First as a stranger, whether the lists agree: a node that was started with a wrong list must
    /// not be remembered by the id that it has there. Then as a member, whether it is known by another data directory.
    async fn one(&self, id: NodeId, introduction: &Link) -> Result<Status, Asked> {
        let status = match introduction.call(Request::Status, PATIENCE).await.map_err(Asked::Unanswered)? {
            Response::Status(status) => status,
            other => return Err(Asked::Wrong(format!("node {id} gave an unexpected answer {other:?}"))),
        };
        if let Some(why) = contradiction(self.own, self.peers.list(), id, &status) {
            return Err(Asked::Wrong(why));
        }
        let address = introduction.address();
        self.peers.link(id, address).call(Request::Status, PATIENCE).await.map_err(Asked::Unanswered)?;
        Ok(status)
    }

    /// Asks each of them once.
    pub(super) async fn ask(&self) -> Result<Found, NodeError> {
        let ask = self.introductions.iter().map(|(id, link)| async move { (*id, self.one(*id, link).await) });
        let mut answers: FuturesUnordered<_> = ask.collect();
        let mut pristine = 1;
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(status) if status.formed => return Ok(Found::Formed),
                Ok(status) => pristine += usize::from(!status.joins),
                Err(Asked::Wrong(why)) => return Err(NodeError::List { why }),
                // A node that comes up a little later is not refused, it is unreachable: a refusal is for good.
                Err(Asked::Unanswered(CallError::Refused(refused))) if refused.is_lasting() => {
                    return Err(NodeError::Refused { by: id, refused });
                }
                Err(Asked::Unanswered(error)) => {
                    tracing::debug!(node = id, %error, "a member does not answer yet");
                }
            }
        }
        Ok(Found::Pristine(pristine))
    }
}

/// Why a question has no good answer.
enum Asked {
    Unanswered(CallError),
    Wrong(String),
}

/// What of a list is not so, according to node `by`.
fn contradiction(
    own: NodeId,
    list: &BTreeMap<NodeId, String>,
    by: NodeId,
    status: &Status,
) -> Option<String> {
    let written = |list: &BTreeMap<NodeId, String>| {
        list.iter().map(|(id, at)| format!("{id}@{at}")).collect::<Vec<_>>().join(",")
    };
    if !status.formed {
        return (!status.joins && status.list != *list).then(|| {
            format!(
                "node {by} was started with another list of members ({}) than this node ({}): give all members the \
                 same list, letter by letter",
                written(&status.list),
                written(list)
            )
        });
    }
    // Formed, but it has not applied that yet.
    if status.members.is_empty() {
        return None;
    }
    let group: BTreeMap<NodeId, String> =
        status.members.iter().map(|member| (member.id, member.address.clone())).collect();
    match (group.get(&own), list.get(&own)) {
        (None, _) if status.used.contains(&own) => Some(format!(
            "the id {own} was that of another member of the group ({}), and no id is ever used twice: join under a \
             new id, with join=yes",
            written(&group)
        )),
        (None, _) => Some(format!(
            "the group exists, and node {own} is not a member of it ({}): give join=yes to add it",
            written(&group)
        )),
        (Some(theirs), Some(ours)) if theirs != ours => Some(format!(
            "node {own} of the group ({}) is at {theirs}, and not at {ours}: give all members the same list, or give \
             this node a new id and join=yes",
            written(&group)
        )),
        _ => None,
    }
}

/// Forms the group, or waits until it has been formed.
pub(super) async fn form(raft: Raft, others: Others) -> Result<(), NodeError> {
    let list = others.peers.list();
    let majority = list.len() / 2 + 1;
    let mut said = Instant::now();
    loop {
        if raft.is_initialized().await.map_err(NodeError::stopped)? {
            return Ok(());
        }
        let found = others.ask().await?;
        let is_time = Instant::now().saturating_duration_since(said) >= SAY_EVERY;
        match found {
            Found::Pristine(count) if count >= majority => break,
            Found::Pristine(count) if is_time => {
                tracing::info!("waiting to form the group: {count} of its {} members are there", list.len());
            }
            Found::Formed if is_time => {
                tracing::info!("waiting for the Raft leader of the group, which has been formed, to call");
            }
            Found::Pristine(_) | Found::Formed => {}
        }
        if is_time {
            said = Instant::now();
        }
        tokio::time::sleep(PAUSE).await;
    }
    let nodes: BTreeMap<NodeId, BasicNode> =
        list.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
    match raft.initialize(nodes).await {
        // Not allowed: another member was faster and its leader has told us already.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(RaftError::APIError(error)) => Err(NodeError::stopped(error)),
        Err(RaftError::Fatal(error)) => Err(NodeError::stopped(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_machine::Member;

    #[test]
    fn what_of_a_list_is_not_so_is_named() {
        let list = |text: &str| -> BTreeMap<NodeId, String> {
            (1..).zip(text.split(',')).map(|(id, at)| (id, at.to_owned())).collect()
        };
        let member = |(id, address)| Member { id, address, votes: true };
        let unformed = |text, joins| Status { list: list(text), joins, ..Status::default() };
        let formed = |text| {
            let members: Vec<_> = list(text).into_iter().map(member).collect();
            Status { formed: true, members, used: vec![1, 2, 3, 9], ..Status::default() }
        };
        let ours = list("a:1,b:1,c:1");
        for (own, status, says) in [
            (2, unformed("a:1,b:1,c:1", false), None),
            (
                2,
                unformed("a:1,d:1,e:1", false),
                Some("was started with another list of members (1@a:1,2@d:1,3@e:1)"),
            ),
            (2, unformed("a:1,d:1,e:1", true), None),
            (2, formed("a:1,b:1,c:1"), None),
            // A stale list is enough for those who are in it.
            (2, formed("a:1,b:1,x:1,y:1"), None),
            (2, formed("a:1,x:1"), Some("node 2 of the group (1@a:1,2@x:1) is at x:1, and not at b:1")),
            (3, formed("a:1,b:1"), Some("no id is ever used twice")),
            (4, formed("a:1,b:1"), Some("node 4 is not a member of it (1@a:1,2@b:1): give join=yes")),
            (2, Status { formed: true, ..Status::default() }, None),
        ] {
            let found = contradiction(own, &ours, 1, &status);
            match (&found, says) {
                (None, None) => {}
                (Some(found), Some(says)) => assert!(found.contains(says), "{found}"),
                _ => panic!("{found:?} instead of {says:?}"),
            }
        }
    }
}
