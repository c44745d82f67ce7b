//! Answers requests to a node: of members here, of clients in [`Clients`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use election_core::clock::Instant;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::raft::TransferLeaderRequest;

use super::acquaintance::recognise;
use super::arriving::Arriving;
use super::changes::Changes;
use super::clients::Clients;
use super::renewals::Renewals;
use crate::config::RaftTiming;
use crate::network::{
    Answer, Caller, Failure, Handler, Hello, Identity, Local, Origin, Peers, Refused, Request, Response,
    Sender, SnapshotPart, Transfer,
};
use crate::state_machine::{Replica, Stage};
use crate::store::{Identity as Own, Incarnation, LogStore};
use crate::types::{NodeId, Raft, Snapshot};

pub(super) type Reply = Result<Response, Failure>;

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) identity: Own,
    /// Whether it was started to join a group.
    pub(crate) joins: bool,
    /// Whether nothing was ever voted or logged in its data directory when it was started.
    pub(crate) pristine: bool,
    pub(crate) raft: Raft,
    pub(crate) peers: Peers,
    pub(crate) replica: Replica,
    pub(crate) log: LogStore,
    pub(crate) renewals: Renewals,
    /// Changes of the members, while it is the Raft leader.
    pub(crate) changes: Changes,
    pub(crate) timing: RaftTiming,
    /// No vote is given before this moment: see [`Service::may_vote`].
    pub(crate) votes_from: Instant,
    /// How long a write or a quorum round may take.
    pub(crate) patience: Duration,
    /// As whom this process asks its own member. The same as it asks the others: its session is one.
    pub(crate) own: Caller,
}

/// The service of one node.
pub(crate) struct Service {
    parts: Arc<Parts>,
    clients: Clients,
    arriving: Mutex<Arriving>,
}

pub(super) fn fatal(error: impl std::fmt::Display) -> Failure {
    Failure::Stopped { why: error.to_string() }
}

/// For whom a message between members speaks: the Raft leader, or whoever wants to be it.
fn speaks_for(request: &Request) -> Option<NodeId> {
    let vote = match request {
        Request::Append(rpc) => &rpc.vote,
        Request::Vote(rpc) | Request::PreVote(rpc) => &rpc.vote,
        Request::Snapshot(part) => &part.vote,
        Request::Transfer(transfer) => &transfer.from,
        _ => return None,
    };
    Some(vote.leader_id.node_id)
}

impl Service {
    /// A service made of these parts.
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        Self { clients: Clients::new(parts.clone()), parts, arriving: Mutex::default() }
    }

    /// A node that has just restarted has forgotten when it last heard from the leader. By voting at once it
    /// could help to depose a leader that still counts on it.
    fn may_vote(&self) -> Result<(), Failure> {
        #[cfg(zoo)]
        if election_core::zoo::planted("raft-votes-right-after-a-restart") {
            return Ok(());
        }
        if Instant::now() < self.parts.votes_from { Err(Failure::Embargo) } else { Ok(()) }
    }

    /// Whoever was removed does not take part any more, and is told.
    fn is_removed(&self, id: NodeId) -> Option<Refused> {
        #[cfg(zoo)]
        if election_core::zoo::planted("raft-removed-member-not-told") {
            return None;
        }
        let removed = self.parts.replica.stage(id) == Some(Stage::Removed);
        removed.then(|| Refused::Removed { id, free: self.parts.replica.used_ids().0 })
    }

    async fn raft(&self, sender: NodeId, request: Request) -> Reply {
        // The connection's identity, in every call: no member speaks in another one's name.
        if let Some(claimed) = speaks_for(&request).filter(|claimed| *claimed != sender) {
            let why = format!("node {sender} speaks in the name of node {claimed}");
            tracing::error!(why, "a message between members is refused");
            return Err(Failure::Forbidden { why });
        }
        let raft = &self.parts.raft;
        match request {
            Request::Append(rpc) => raft.append_entries(rpc).await.map(Response::Append).map_err(fatal),
            Request::Vote(rpc) => {
                // A vote that the leader itself has asked for, to hand over, deposes nobody.
                if !rpc.leadership_transfer {
                    self.may_vote()?;
                }
                #[cfg(feature = "sim")]
                let transfer = rpc.leadership_transfer;
                let vote = raft.vote(rpc).await.map_err(fatal)?;
                #[cfg(feature = "sim")]
                crate::sim::voted(vote.vote_granted, transfer);
                Ok(Response::Vote(vote))
            }
            Request::PreVote(rpc) => {
                self.may_vote()?;
                raft.pre_vote(rpc).await.map(Response::Vote).map_err(fatal)
            }
            Request::Snapshot(part) => self.snapshot(sender, part).await,
            Request::Transfer(Transfer { from, to, last }) => {
                let request = TransferLeaderRequest::new(from, to, last);
                raft.handle_transfer_leader(request).await.map(Response::Transfer).map_err(fatal)
            }
            _ => Err(Failure::Forbidden { why: "not a request between members".into() }),
        }
    }

    async fn snapshot(&self, sender: NodeId, part: SnapshotPart) -> Reply {
        let taken = self.arriving.lock().unwrap_or_else(PoisonError::into_inner).take(sender, &part)?;
        let Some(whole) = taken else { return Ok(Response::Done) };
        let snapshot = Snapshot { meta: part.meta, snapshot: whole };
        let installed = self.parts.raft.install_full_snapshot(part.vote, snapshot).await;
        installed.map(|response| Response::Snapshot(response.vote)).map_err(fatal)
    }
}

impl Handler for Service {
    async fn greet(&self, hello: &Hello, origin: &Result<Origin, String>) -> Result<Origin, Refused> {
        let own = &self.parts.identity;
        if hello.cluster != own.cluster {
            return Err(Refused::Cluster { theirs: own.cluster.clone(), ours: hello.cluster.clone() });
        }
        if hello.target != own.node {
            return Err(Refused::Node { theirs: own.node, ours: hello.target });
        }
        let claimed = || match hello.sender {
            Sender::Member { id, .. } => Identity::Node(id).name(&own.cluster),
            Sender::Client => format!("NAME.client.{}", own.cluster),
        };
        let origin = origin.clone().map_err(|shown| Refused::Identity { shown, claimed: claimed() })?;
        let Sender::Member { id, incarnation } = hello.sender else { return Ok(origin) };
        // Before anything is remembered about this id.
        if !origin.is_node(id) {
            return Err(Refused::Identity { shown: format!("{origin}.{}", own.cluster), claimed: claimed() });
        }
        if id == own.node {
            return Err(Refused::Incarnation { id });
        }
        if let Some(refused) = self.is_removed(id) {
            return Err(refused);
        }
        // An id that this node has not heard of may be that of a member which the others have let in meanwhile, and
        // which leads by now: to turn it away would be to stay behind for good.
        match recognise(&self.parts.replica, &self.parts.log, id, incarnation).await {
            Ok(true) => Ok(origin),
            Ok(false) => Err(Refused::Incarnation { id }),
            Err(error) => Err(Refused::Unable { why: error.to_string() }),
        }
    }

    fn incarnation(&self) -> Incarnation {
        self.parts.identity.incarnation
    }

    async fn handle(&self, caller: Arc<Caller>, request: Request) -> Answer {
        if let Sender::Member { id, .. } = caller.sender
            && let Some(refused) = self.is_removed(id)
        {
            return Answer::Once(Err(Failure::Removed(refused)));
        }
        match (caller.sender, request) {
            // What else a member wants of the group, it asks as a client.
            (Sender::Member { .. }, Request::Status) => self.clients.serve(&caller, Request::Status).await,
            (Sender::Member { id, .. }, request) => Answer::Once(self.raft(id, request).await),
            (Sender::Client, request) => self.clients.serve(&caller, request).await,
        }
    }
}

impl Local for Service {
    fn serves(&self) -> bool {
        self.parts.replica.serving().is_some()
    }

    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Answer> {
        async move { self.clients.serve(&self.parts.own, request).await }.boxed()
    }
}
