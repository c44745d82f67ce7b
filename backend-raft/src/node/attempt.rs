//! One change of the members, step by step: see [`changes`](super::changes).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use election_core::clock::Instant;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{BasicNode, ChangeMembers};

use super::acquaintance::recognise;
use super::renewals::known_leader;
use super::service::{Parts, fatal};
use super::{attendance, office, register};
use crate::network::{Change, Failure, Request, Response};
use crate::state_machine::{Command, Member, Outcome, Stage};
use crate::store::Incarnation;
use crate::types::NodeId;

/// How long a node that is to be added may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a node that learns may make no progress.
const STALLED: Duration = Duration::from_secs(30);
/// A learner that is no more than so many entries behind may vote.
const BEHIND: u64 = 64;
/// The most members: more make every decision slower, and none safer.
const MOST: usize = 9;

fn not_now<T>(why: &str) -> Result<T, Failure> {
    Err(Failure::NotNow { why: why.into() })
}

fn never<T>(why: String) -> Result<T, Failure> {
    Err(Failure::Never { why })
}

/// One change.
pub(super) struct Attempt<'a> {
    pub(super) parts: &'a Parts,
    /// Who the members are when it begins.
    pub(super) members: Vec<Member>,
}

impl Attempt<'_> {
    /// Makes the change.
    pub(super) async fn run(&self, change: &Change) -> Result<(), Failure> {
        match change {
            Change::Add { node, address, replaces, incarnation } => {
                // A member that has lost its disk would hear that it is one.
                if let Some(incarnation) = incarnation.filter(|_| self.member(*node).is_some()) {
                    self.recognise(*node, incarnation).await?;
                }
                self.add(*node, address, *replaces).await
            }
            Change::Remove { node, force } => self.remove(*node, *force).await,
        }
    }

    fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    fn ids(&self) -> String {
        self.members.iter().map(|member| member.id.to_string()).collect::<Vec<_>>().join(", ")
    }

    async fn add(&self, node: NodeId, address: &str, replaces: Option<NodeId>) -> Result<(), Failure> {
        let old = replaces.filter(|old| self.member(*old).is_some());
        match self.member(node) {
            Some(member) if member.votes && old.is_none() => return Ok(()),
            Some(_) => {}
            None => {
                self.may_enter(node, address, replaces)?;
                self.all_are_enrolled_but(replaces).await?;
                self.enroll(node, address).await?;
            }
        }
        if old == Some(self.parts.identity.node) {
            return Err(self.step_aside().await);
        }
        self.still_has_a_majority(Some(node), old, false).await?;
        self.teach(node, address).await?;
        let mut steps = vec![ChangeMembers::AddVoterIds(BTreeSet::from([node]))];
        tracing::info!(node, address, "a node has learned what there is, and may vote now");
        steps.extend(old.map(|old| ChangeMembers::RemoveVoters(BTreeSet::from([old]))));
        self.write(ChangeMembers::Batch(steps)).await
    }

    /// Refuses what the membership alone speaks against.
    fn may_enter(&self, node: NodeId, address: &str, replaces: Option<NodeId>) -> Result<(), Failure> {
        let (free, used) = self.parts.replica.used_ids();
        let stage = self.parts.replica.stage(node);
        if node == 0 || node > i64::MAX as u64 {
            return never(format!("{node} cannot be an id: take {free}"));
        }
        if stage == Some(Stage::Removed) {
            return never(format!(
                "the id {node} was that of a member that was removed, and no id is ever used twice: start the new \
                 node as node {free}, with an empty data directory"
            ));
        }
        if let Some(old) = replaces.filter(|old| !used.contains(old)) {
            let ids = self.ids();
            return never(format!(
                "node {old}, which is to be replaced, was never a member: the members are {ids}"
            ));
        }
        if address.is_empty() || address.len() > 300 || !address.contains(':') {
            return never(format!("the address of node {node} is {address:?}: give host:port"));
        }
        let at_address = self.members.iter().find(|other| other.address == address);
        if let Some(other) = at_address.filter(|other| Some(other.id) != replaces) {
            let id = other.id;
            return never(format!(
                "node {id} is the member at {address}: replace it, or give another address"
            ));
        }
        if self.members.len() >= MOST + usize::from(replaces.is_some()) {
            return never(format!("the group has {} members, the limit is {MOST}", self.members.len()));
        }
        Ok(())
    }

    /// Refuses a new node as long as some member's data directory is not in the roll. The new node has met nobody: under
    /// an id that the roll says nothing of, it would take a member that lost its disk, and the votes on it, for the
    /// member. The one that is replaced leaves in the step in which the new one gets its vote.
    async fn all_are_enrolled_but(&self, replaced: Option<NodeId>) -> Result<(), Failure> {
        register::enroll(self.parts).await;
        let others = self.members.iter().map(|member| member.id).filter(|id| Some(*id) != replaced);
        match others.into_iter().find(|id| self.parts.replica.incarnation(*id).is_none()) {
            None => Ok(()),
            Some(unknown) => not_now(&format!(
                "the group does not know yet which data directory node {unknown} has: start node {unknown} first, or \
                 replace it by the new node"
            )),
        }
    }

    /// Makes sure that the node is there and is new, and gives its data directory the id.
    async fn enroll(&self, node: NodeId, address: &str) -> Result<(), Failure> {
        let (free, _) = self.parts.replica.used_ids();
        let introduction = self.parts.peers.introduction(node, address);
        let status = match introduction.call(Request::Status, PATIENCE).await {
            Ok(Response::Status(status)) => status,
            Ok(_) => return never(format!("node {node} at {address} gave the answer to another question")),
            Err(error) => {
                return not_now(&format!(
                    "node {node} does not answer at {address} ({error}): start it there, with join=yes"
                ));
            }
        };
        let enrolled = self.parts.replica.incarnation(node) == Some(status.incarnation);
        if !status.pristine && !enrolled {
            return never(format!(
                "node {node} at {address} has the data of another life, or of another group: give it an empty data \
                 directory"
            ));
        }
        if !status.joins && !enrolled {
            return never(format!(
                "node {node} at {address} was not started to join a group: give it join=yes"
            ));
        }
        // By now it is worth being remembered.
        self.recognise(node, status.incarnation).await?;
        let command = Command::Enroll { node, incarnation: status.incarnation };
        match super::clients::write(self.parts, command).await? {
            Response::Written { outcome: Outcome::Enrolled, .. } => {
                tracing::info!(node, address, "a node is enrolled");
                Ok(())
            }
            Response::Written { outcome: Outcome::Refused(refusal), .. } => {
                never(format!("node {node} cannot be a member: {refusal} ({free} is free)"))
            }
            _ => Err(Failure::Unknown),
        }
    }

    async fn recognise(&self, node: NodeId, incarnation: Incarnation) -> Result<(), Failure> {
        let Parts { replica, log, identity, .. } = self.parts;
        let known = match node == identity.node {
            true => identity.incarnation == incarnation,
            false => recognise(replica, log, node, incarnation).await.map_err(fatal)?,
        };
        if known {
            return Ok(());
        }
        let (free, _) = replica.used_ids();
        never(format!(
            "node {node} was seen before with another data directory, and no id is ever used twice: start it as node \
             {free}"
        ))
    }

    /// Makes the node a learner, and waits until it knows almost everything.
    async fn teach(&self, node: NodeId, address: &str) -> Result<(), Failure> {
        if self.member(node).is_none() {
            let nodes = BTreeMap::from([(node, BasicNode::new(address))]);
            self.write(ChangeMembers::AddNodes(nodes)).await?;
            tracing::info!(node, address, "a node is a learner now");
        }
        let mut metrics = self.parts.raft.metrics();
        let (mut matched, mut moved) = (None, Instant::now());
        loop {
            {
                let now = metrics.borrow_watched();
                let Some(replication) = now.replication.as_ref() else { return Err(self.not_leader()) };
                let known = replication.get(&node).and_then(|id| id.as_ref()).map(|id| id.index);
                let last = now.last_log_index.unwrap_or(0);
                if known.is_some_and(|known| known + BEHIND >= last) {
                    return Ok(());
                }
                if known > matched {
                    (matched, moved) = (known, Instant::now());
                }
            }
            if Instant::now().saturating_duration_since(moved) > STALLED {
                return not_now(&format!(
                    "node {node} at {address} is a learner, and has learned nothing for {STALLED:?}: see its log, then \
                     ask again"
                ));
            }
            // A Raft that has stopped says so at once, each time: asked again and again it would keep a core busy.
            if let Ok(Err(stopped)) =
                tokio::time::timeout(Duration::from_millis(100), metrics.changed()).await
            {
                return Err(fatal(stopped));
            }
        }
    }

    async fn remove(&self, node: NodeId, force: bool) -> Result<(), Failure> {
        let Some(member) = self.member(node) else {
            return match self.parts.replica.stage(node) {
                Some(Stage::Removed | Stage::Enrolled | Stage::Member) => Ok(()),
                None => never(format!("node {node} was never a member: the members are {}", self.ids())),
            };
        };
        if !member.votes {
            return self.write(ChangeMembers::RemoveNodes(BTreeSet::from([node]))).await;
        }
        self.still_has_a_majority(None, Some(node), force).await?;
        if node == self.parts.identity.node {
            return Err(self.step_aside().await);
        }
        self.write(ChangeMembers::RemoveVoters(BTreeSet::from([node]))).await
    }

    /// Refuses a change after which the group would stand still: a majority of its members must be up.
    async fn still_has_a_majority(
        &self,
        new: Option<NodeId>,
        old: Option<NodeId>,
        force: bool,
    ) -> Result<(), Failure> {
        let voters = self.members.iter().filter(|member| member.votes).map(|member| member.id);
        let rest: BTreeSet<NodeId> = voters.filter(|id| Some(*id) != old).chain(new).collect();
        if rest.is_empty() {
            return never(
                "it is the last member: stop it, and remove its data directory, to end the group".into(),
            );
        }
        // The new one is asked for itself, a moment later.
        let election_max = self.parts.timing.election_max;
        let is_up = |id| Some(id) == new || attendance::is_up(&self.parts.raft, id, election_max);
        let asked = Instant::now();
        let up = loop {
            let up: Vec<NodeId> = rest.iter().copied().filter(|id| is_up(*id)).collect();
            if force || up.len() > rest.len() / 2 {
                return Ok(());
            }
            // A Raft leader that has just been elected has not heard from everybody yet.
            if Instant::now().saturating_duration_since(asked) >= attendance::patience(election_max) {
                break up;
            }
            tokio::time::sleep(attendance::LOOK_EVERY).await;
        };
        let list = |ids: &[NodeId]| ids.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ");
        let down: Vec<NodeId> = rest.iter().copied().filter(|id| !up.contains(id)).collect();
        not_now(&format!(
            "of the members that would remain ({}) only {} would be up, which is no majority: start node {}, or \
             remove that one first (or replace it); with force the group would stand still until then",
            list(&Vec::from_iter(rest)),
            up.len(),
            list(&down),
        ))
    }

    /// Gives the Raft leadership away, so that this member can be removed by the next leader, whom whoever asked is
    /// sent to.
    async fn step_aside(&self) -> Failure {
        office::hand_over(&self.parts.raft, self.parts.timing).await;
        self.not_leader()
    }

    fn not_leader(&self) -> Failure {
        Failure::NotLeader { leader: known_leader(&self.parts.raft) }
    }

    async fn write(&self, change: ChangeMembers<NodeId, BasicNode>) -> Result<(), Failure> {
        let error = match self.parts.raft.change_membership(change, false).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                Err(Failure::NotLeader { leader: forward.leader_id })
            }
            RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_),
            )) => not_now("another change is under way: ask again when it is done"),
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Err(Failure::Unknown),
            RaftError::APIError(other) => not_now(&other.to_string()),
            RaftError::Fatal(error) => Err(fatal(error)),
        }
    }
}
