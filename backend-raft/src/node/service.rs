//! Answers requests of members and clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use election_core::clock::Instant;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::TransferLeaderRequest;

use super::renewals::{Renewals, confirm_leadership, known_leader};
use crate::network::{
    Answer, Failure, Handler, Hello, Item, ItemStream, Local, Refused, Request, Response, Sender,
    SnapshotPart, Status, Transfer,
};
use crate::state_machine::{Command, Replica, SessionEvent};
use crate::store::{Identity, LogStore};
use crate::types::{NodeId, Raft, Snapshot};

/// The largest snapshot that is accepted.
const MAX_SNAPSHOT: usize = 1024 * 1024 * 1024;

type Reply = Result<Response, Failure>;

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) identity: Identity,
    pub(crate) members: Vec<NodeId>,
    pub(crate) raft: Raft,
    pub(crate) replica: Replica,
    pub(crate) log: LogStore,
    pub(crate) renewals: Renewals,
    /// No vote is given before this moment: see [`Service::may_vote`].
    pub(crate) votes_from: Instant,
    /// How long a write or a quorum round may take.
    pub(crate) patience: Duration,
}

/// The service of one node.
pub(crate) struct Service {
    parts: Parts,
    /// Snapshots that are arriving, by sender.
    arriving: Mutex<HashMap<NodeId, BytesMut>>,
}

fn fatal(error: impl std::fmt::Display) -> Failure {
    Failure::Stopped { why: error.to_string() }
}

impl Service {
    /// A service made of these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, arriving: Mutex::default() }
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

    async fn raft(&self, sender: NodeId, request: Request) -> Reply {
        let raft = &self.parts.raft;
        match request {
            Request::Append(rpc) => raft.append_entries(rpc).await.map(Response::Append).map_err(fatal),
            Request::Vote(rpc) => {
                // A vote that the leader itself has asked for, to hand over, deposes nobody.
                if !rpc.leadership_transfer {
                    self.may_vote()?;
                }
                raft.vote(rpc).await.map(Response::Vote).map_err(fatal)
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
        let whole = {
            let mut arriving = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
            let snapshot = arriving.entry(sender).or_default();
            if part.offset == 0 {
                snapshot.clear();
            }
            if part.offset != snapshot.len() as u64 || snapshot.len() + part.bytes.len() > MAX_SNAPSHOT {
                arriving.remove(&sender);
                return Err(Failure::Forbidden { why: "a part of a snapshot out of place".into() });
            }
            snapshot.extend_from_slice(&part.bytes);
            if !part.last {
                return Ok(Response::Done);
            }
            arriving.remove(&sender).map(BytesMut::freeze).unwrap_or_default()
        };
        let snapshot = Snapshot { meta: part.meta, snapshot: whole };
        let installed = self.parts.raft.install_full_snapshot(part.vote, snapshot).await;
        installed.map(|response| Response::Snapshot(response.vote)).map_err(fatal)
    }

    /// Writes to the log and waits until it is applied.
    pub(crate) async fn write(&self, command: Command) -> Reply {
        let raft = &self.parts.raft;
        let started = Instant::now();
        loop {
            let left = self.parts.patience.saturating_sub(Instant::now().saturating_duration_since(started));
            let written = tokio::time::timeout(left, raft.client_write(command.clone())).await;
            let error = match written {
                Err(_) => return Err(Failure::Unknown),
                Ok(Ok(response)) => {
                    return Ok(Response::Written { index: response.log_id.index, outcome: response.data });
                }
                Ok(Err(error)) => error,
            };
            match error {
                RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                    // A fresh leader takes no writes before its first word from a quorum. That is a matter
                    // of one round trip, shorter than sending the client away.
                    let fresh = forward.leader_id.is_none_or(|id| id == *raft.node_id()) && raft.is_leader();
                    if !fresh || left.is_zero() {
                        return Err(Failure::NotLeader { leader: forward.leader_id });
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => return Err(Failure::Unknown),
                RaftError::APIError(other) => return Err(Failure::Forbidden { why: other.to_string() }),
                RaftError::Fatal(error) => return Err(fatal(error)),
            }
        }
    }

    fn may_write(command: &Command) -> Result<(), Failure> {
        match command {
            Command::OpenSession { .. }
            | Command::CloseSession { .. }
            | Command::Campaign { .. }
            | Command::Withdraw { .. }
            | Command::Remove { .. } => Ok(()),
            Command::ExpireSessions { .. } => {
                Err(Failure::Forbidden { why: "only the Raft leader itself expires sessions".into() })
            }
        }
    }

    async fn confirm(&self) -> Result<(), Failure> {
        confirm_leadership(&self.parts.raft, self.parts.patience).await
    }

    fn not_leader(&self) -> Failure {
        Failure::NotLeader { leader: known_leader(&self.parts.raft) }
    }

    fn status(&self) -> Status {
        let metrics = self.parts.raft.metrics();
        let metrics = metrics.borrow_watched();
        Status {
            formed: metrics.membership_config.membership().voter_ids().next().is_some(),
            leader: metrics.current_leader,
            applied: metrics.last_applied.map_or(0, |id| id.index),
        }
    }

    fn watch_session(&self, session: u64) -> Result<ItemStream, Failure> {
        let watch = self.parts.replica.watch_session(session).ok_or_else(|| self.not_leader())?;
        let events = stream::unfold(watch.events, |mut events| async {
            let event = events.recv().await?;
            Some((event, events))
        });
        let gone = watch.first == SessionEvent::Gone;
        let first = stream::iter([watch.first]);
        if gone {
            Ok(first.map(Item::Session).boxed())
        } else {
            Ok(first.chain(events).map(Item::Session).boxed())
        }
    }

    async fn observe(&self, election: &str) -> Result<ItemStream, Failure> {
        self.confirm().await?;
        let views = self.parts.replica.watch_election(election).ok_or_else(|| self.not_leader())?;
        let views = stream::unfold((views, true), |(mut views, first)| async move {
            if !first {
                views.changed().await.ok()?;
            }
            let view = views.borrow_and_update().clone();
            Some((Item::View(view), (views, false)))
        });
        Ok(views.boxed())
    }

    /// Serves a client's request.
    pub(crate) async fn client(&self, request: Request) -> Answer {
        Answer::Once(match request {
            Request::Write(command) => match Self::may_write(&command) {
                Ok(()) => self.write(command).await,
                Err(failure) => Err(failure),
            },
            Request::Renew { session } => self.parts.renewals.renew(session).await.map(Response::Renewed),
            Request::Read { election } => {
                self.confirm().await.map(|()| Response::View(self.parts.replica.view(&election)))
            }
            Request::Queue { election } => {
                self.confirm().await.map(|()| Response::Queue(self.parts.replica.places(&election)))
            }
            Request::WatchSession { session } => match self.watch_session(session) {
                Ok(items) => return Answer::Stream(items),
                Err(failure) => Err(failure),
            },
            Request::Observe { election } => match self.observe(&election).await {
                Ok(items) => return Answer::Stream(items),
                Err(failure) => Err(failure),
            },
            Request::Status => Ok(Response::Status(self.status())),
            Request::Append(_)
            | Request::Vote(_)
            | Request::PreVote(_)
            | Request::Snapshot(_)
            | Request::Transfer(_) => Err(Failure::Forbidden { why: "for members of the group only".into() }),
        })
    }
}

impl Handler for Service {
    async fn greet(&self, hello: &Hello) -> Result<(), Refused> {
        let identity = &self.parts.identity;
        if hello.cluster != identity.cluster {
            return Err(Refused::Cluster { theirs: identity.cluster.clone(), ours: hello.cluster.clone() });
        }
        if hello.target != identity.node {
            return Err(Refused::Node { theirs: identity.node, ours: hello.target });
        }
        let Sender::Member { id, incarnation } = hello.sender else { return Ok(()) };
        if !self.parts.members.contains(&id) {
            return Err(Refused::Stranger { id });
        }
        if id == identity.node {
            return Err(Refused::Incarnation { id });
        }
        match self.parts.log.recognise(id, incarnation).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refused::Incarnation { id }),
            Err(error) => Err(Refused::Unable { why: error.to_string() }),
        }
    }

    async fn handle(&self, sender: Sender, request: Request) -> Answer {
        match (sender, request) {
            (
                Sender::Member { id, .. },
                request @ (Request::Append(_)
                | Request::Vote(_)
                | Request::PreVote(_)
                | Request::Snapshot(_)
                | Request::Transfer(_)),
            ) => Answer::Once(self.raft(id, request).await),
            (_, request) => self.client(request).await,
        }
    }
}

impl Local for Service {
    fn serves(&self) -> bool {
        self.parts.replica.serving().is_some()
    }

    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Answer> {
        async move { self.client(request).await }.boxed()
    }
}
