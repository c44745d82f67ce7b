//! openraft's network: how a member reaches the others.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::channel::CallError;
use super::link::{Link, LinkConfig, Recognise};
use super::merged::merged;
use super::refusal::Refused;
use super::tls::Security;
use super::wire::{Hello, Request, Response, Sender, SnapshotPart, Transfer};
use crate::types::{NodeId, Snapshot, TypeConfig, Vote};

type Rpc<T> = Result<T, RPCError<TypeConfig>>;

/// How many bytes of a snapshot travel in one message.
const PART_BYTES: usize = 512 * 1024;

/// The other members. Each is reached over three connections, so that neither a batch of entries nor a
/// snapshot delays a heartbeat.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Shared>);

struct Shared {
    own: NodeId,
    reach: Reach,
    lanes: Mutex<BTreeMap<NodeId, Lanes>>,
}

/// How this member reaches others.
pub(crate) struct Reach {
    pub(crate) cluster: String,
    /// As whom it speaks.
    pub(crate) sender: Sender,
    /// The addresses that this process was given. They come before what the group says: an id is never used twice,
    /// and only here can it be known by which way a member is reached from here.
    pub(crate) list: BTreeMap<NodeId, String>,
    pub(crate) security: Security,
    pub(crate) recognise: Recognise,
    /// How long an answer to entries may take. Longer than a heartbeat's: it includes an fsync over there.
    pub(crate) append_patience: Duration,
}

type Lanes = [Link; 3];

#[derive(Debug, Clone, Copy)]
enum Lane {
    Control,
    Log,
    Snapshot,
}

impl Peers {
    /// The members in the list, and whoever is called later.
    pub(crate) fn new(own: NodeId, reach: Reach) -> Self {
        let peers = Self(Arc::new(Shared { own, reach, lanes: Mutex::default() }));
        for (id, address) in peers.0.reach.list.iter().filter(|(id, _)| **id != own) {
            peers.lanes(*id, address);
        }
        peers
    }

    /// The connections to a node, which is at `address` if this process was given no other one.
    fn lanes(&self, id: NodeId, address: &str) -> Lanes {
        let Reach { cluster, sender, list, security, recognise, .. } = &self.0.reach;
        let address = list.get(&id).map_or(address, String::as_str);
        let link = || {
            Link::new(LinkConfig {
                address: address.into(),
                hello: Hello::new(cluster, *sender, id),
                security: security.clone(),
                recognise: Some(recognise.clone()),
            })
        };
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || std::array::from_fn(|_| link());
        let known = lanes.entry(id).or_insert_with(fresh);
        if known[0].address() != address {
            *known = fresh();
        }
        known.clone()
    }

    /// The connection for short messages to a node at `address`.
    pub(crate) fn link(&self, id: NodeId, address: &str) -> Link {
        let [control, ..] = self.lanes(id, address);
        control
    }

    /// A connection to a node as anybody makes one: neither end remembers the other for it. For the questions before
    /// it is known whether the two belong to one group at all.
    pub(crate) fn introduction(&self, id: NodeId, address: &str) -> Link {
        let Reach { cluster, list, security, .. } = &self.0.reach;
        Link::new(LinkConfig {
            address: list.get(&id).map_or(address, String::as_str).into(),
            hello: Hello::new(cluster, Sender::Client, id),
            security: security.clone(),
            recognise: None,
        })
    }

    /// The connections for short messages, by node.
    pub(crate) fn links(&self) -> Vec<(NodeId, Link)> {
        let lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().map(|(id, [control, ..])| (*id, control.clone())).collect()
    }

    /// Who of the others refuses to talk to this node, and why.
    pub(crate) fn refusals(&self) -> Vec<(NodeId, Refused)> {
        let lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().filter_map(|(id, lanes)| Some((*id, lanes.iter().find_map(Link::refused)?))).collect()
    }

    /// The list that this process was given.
    pub(crate) fn list(&self) -> &BTreeMap<NodeId, String> {
        &self.0.reach.list
    }

    fn peer(&self, target: NodeId, node: &BasicNode, lane: Lane) -> Peer {
        let link = self.lanes(target, &node.addr)[lane as usize].clone();
        Peer { own: self.0.own, target, link, append_patience: self.0.reach.append_patience }
    }
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Peer {
        self.peer(target, node, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &BasicNode) -> Peer {
        self.peer(target, node, Lane::Control)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &BasicNode) -> Peer {
        self.peer(target, node, Lane::Snapshot)
    }
}

/// One of the other members.
pub(crate) struct Peer {
    own: NodeId,
    target: NodeId,
    link: Link,
    append_patience: Duration,
}

impl Peer {
    async fn call(&self, action: RPCTypes, request: Request, patience: Duration) -> Rpc<Response> {
        self.link.call(request, patience).await.map_err(|error| match error {
            CallError::Timeout(timeout) => {
                RPCError::Timeout(Timeout { action, id: self.own, target: self.target, timeout })
            }
            CallError::Connection(_)
            | CallError::Refused(_)
            | CallError::OtherDirectory(_)
            | CallError::Tls(_) => RPCError::Unreachable(Unreachable::new(&error)),
            CallError::Failure(_) => RPCError::Network(NetworkError::new(&error)),
        })
    }

    fn unexpected(&self) -> RPCError<TypeConfig> {
        let error =
            CallError::Connection(format!("node {} gave the answer to another question", self.target));
        RPCError::Network(NetworkError::new(&error))
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        match self.call(RPCTypes::AppendEntries, Request::Append(rpc), option.soft_ttl()).await? {
            Response::Append(response) => Ok(response),
            _ => Err(self.unexpected()),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> openraft::base::BoxFuture<'s, Rpc<openraft::base::BoxStream<'s, Rpc<StreamAppendResult<TypeConfig>>>>>
    where
        S: futures::Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        // openraft offers one heartbeat interval, which a disk may well need for one fsync. A batch that is
        // given up is sent again, and then nothing moves any more. Heartbeats have a connection of their own.
        let patience = option.hard_ttl().max(self.append_patience);
        // Heartbeats tell what is committed, too.
        let input = merged(input, option.hard_ttl());
        stream_append_sequential(self, input, RPCOption::new(patience))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        match self.call(RPCTypes::Vote, Request::Vote(rpc), option.soft_ttl()).await? {
            Response::Vote(response) => Ok(response),
            _ => Err(self.unexpected()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        match self.call(RPCTypes::Vote, Request::PreVote(rpc), option.soft_ttl()).await? {
            Response::Vote(response) => Ok(response),
            _ => Err(self.unexpected()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let send = async {
            let Snapshot { meta, snapshot } = snapshot;
            let mut offset = 0;
            loop {
                let end = snapshot.len().min(offset + PART_BYTES);
                let last = end == snapshot.len();
                let part = SnapshotPart {
                    vote,
                    meta: meta.clone(),
                    offset: offset as u64,
                    bytes: snapshot.slice(offset..end),
                    last,
                };
                let request = Request::Snapshot(part);
                match self.call(RPCTypes::InstallSnapshot, request, option.soft_ttl()).await? {
                    Response::Snapshot(vote) => return Ok(SnapshotResponse::new(vote)),
                    Response::Done if !last => offset = end,
                    _ => return Err(StreamingError::from(self.unexpected())),
                }
            }
        };
        tokio::select! {
            sent = send => sent,
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        let request = Request::Transfer(Transfer {
            from: *req.from_leader(),
            to: *req.to_node_id(),
            last: req.last_log_id().copied(),
        });
        match self.call(RPCTypes::TransferLeader, request, option.soft_ttl()).await? {
            Response::Transfer(response) => Ok(response),
            _ => Err(self.unexpected()),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        // The link itself keeps a node that is down from being hammered; waiting longer here would only
        // delay the first entries to a node that has come back.
        Some(Backoff::new(std::iter::repeat(Duration::from_millis(20))))
    }
}
