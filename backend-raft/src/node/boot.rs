//! Starting and stopping a member.

use std::sync::Arc;
use std::time::Duration;

use election_core::clock::Instant;
use openraft::async_runtime::WatchReceiver;
use openraft::{Config, SnapshotPolicy};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::forming;
use super::health;
use super::meter::{self, Meter};
use super::office::{self, OfficeTiming};
use super::renewals::Renewals;
use super::service::{Parts, Service};
use crate::config::{NodeConfig, RaftConfig, RaftTiming};
use crate::error::NodeError;
use crate::network::limits::Connections;
use crate::network::{Caller, Door, Entrance, Origin, Peers, Security, Sender, serve};
use crate::state_machine::{Machine, Replica};
use crate::store::Store;
use crate::types::{NodeId, Raft};

/// How long a process may take to end after it was killed, before its port is said to be another's.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Listens; waits a moment for a predecessor that was killed and still holds the port.
async fn listen(address: &str) -> Result<TcpListener, NodeError> {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && Instant::now().saturating_duration_since(begun) < LAST_BREATH =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => {
                return Err(NodeError::Listen { address: address.to_owned(), error: error.to_string() });
            }
        }
    }
}

/// A running member of the group.
pub(crate) struct Node {
    raft: Raft,
    service: Arc<Service>,
    timing: RaftTiming,
    stop: CancellationToken,
    failure: watch::Receiver<Option<NodeError>>,
    server: JoinHandle<()>,
}

impl Node {
    /// Opens the data directory, starts to listen and to take part in Raft, and sees to it that the group is
    /// formed. It does not wait for the others.
    pub(crate) async fn start(
        config: &RaftConfig,
        own: &NodeConfig,
        security: &Security,
    ) -> Result<Self, NodeError> {
        let address = own.listen.clone().unwrap_or_else(|| config.by_id()[&own.id].clone());
        // Before the store: a port in use is the cheaper thing to find out.
        let listener = listen(&address).await?;
        let store = open_store(config, own).await?;
        Self::run(config, own, security, listener, store).await
    }

    /// Starts everything on a store that is open.
    pub(super) async fn run(
        config: &RaftConfig,
        own: &NodeConfig,
        security: &Security,
        listener: TcpListener,
        store: Store,
    ) -> Result<Self, NodeError> {
        let members = config.by_id();
        let sender = Sender::Member { id: own.id, incarnation: store.identity.incarnation };
        let peers = Peers::new(&config.cluster, own.id, sender, &members, config.raft.election_max, security);
        let replica = Replica::default();
        let (snapshot, machine) = (store.snapshot.clone(), Machine::new(replica.clone(), store.snapshot));
        let settings = raft_settings(config, own)?;
        let pristine = store.pristine;
        let log = store.log;
        let raft = Raft::new(own.id, Arc::new(settings), peers.clone(), log.clone(), machine)
            .await
            .map_err(NodeError::stopped)?;
        let patience = write_patience(&config.raft);
        let embargo = if pristine { Duration::ZERO } else { config.raft.election_max };
        let service = Arc::new(Service::new(Parts {
            identity: store.identity,
            members: members.keys().copied().collect(),
            raft: raft.clone(),
            replica: replica.clone(),
            log: log.clone(),
            renewals: Renewals::start(raft.clone(), replica.clone(), patience),
            votes_from: Instant::now() + embargo,
            patience,
            own: Caller::new(Sender::Client, own_origin(security)),
        }));
        let stop = CancellationToken::new();
        let (handler, door) = (service.clone(), Door::new(Connections::fitting()));
        let meter = Meter {
            raft: raft.clone(),
            replica: replica.clone(),
            log: log.clone(),
            snapshot,
            door: door.clone(),
        };
        tokio::spawn(meter::run(meter, stop.clone()));
        let entrance = Arc::new(Entrance { handler, security: security.clone(), door });
        let server = tokio::spawn(serve(listener, entrance, stop.clone()));
        let timing = OfficeTiming { tick: config.raft.heartbeat, lease: config.raft.election_max };
        tokio::spawn(office::run(raft.clone(), replica, timing, stop.clone()));
        let (failed, failure) = watch::channel(None);
        let node =
            Self { raft: raft.clone(), service, timing: config.raft, stop: stop.clone(), failure, server };
        if pristine && let Err(error) = forming::ask(&peers).await {
            node.abandon().await;
            return Err(error);
        }
        let forming = pristine.then(|| forming::form(raft.clone(), peers.clone(), members));
        tokio::spawn(health::watch(raft, log, peers, forming, failed, stop));
        Ok(node)
    }

    /// What answers requests to this node.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The Raft leader, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.raft.metrics().borrow_watched().current_leader
    }

    /// Waits until a Raft leader is known.
    pub(crate) async fn ready(&self) -> NodeId {
        let mut metrics = self.raft.server_metrics();
        loop {
            if let Some(leader) = metrics.borrow_watched().current_leader {
                return leader;
            }
            if metrics.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tells when, and why, the node has stopped by itself.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<NodeError>> {
        self.failure.clone()
    }

    /// Hands the Raft leadership to another member, if this node has it, then stops.
    pub(crate) async fn shutdown(self) {
        if self.failure.borrow().is_none() {
            self.hand_over().await;
        }
        self.abandon().await;
    }

    async fn abandon(self) {
        self.stop.cancel();
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not stop cleanly");
        }
        self.server.await.ok();
    }

    /// Makes the member with the longest log the Raft leader. Sessions and elections do not notice: without
    /// it the others would wait for an election timeout.
    async fn hand_over(&self) {
        let own = *self.raft.node_id();
        let Some(heir) = heir(&self.raft, own) else { return };
        if let Err(error) = self.raft.trigger().transfer_leader(heir).await {
            tracing::warn!(%error, "cannot hand over the Raft leadership");
            return;
        }
        let mut metrics = self.raft.server_metrics();
        let handed_over = async {
            while metrics.borrow_watched().current_leader.is_none_or(|leader| leader == own) {
                if metrics.changed().await.is_err() {
                    break;
                }
            }
        };
        // Bounded: if the heir does not take it, the others elect somebody after all.
        tokio::time::timeout(self.timing.election_max * 2, handed_over).await.ok();
    }
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
    others.max_by_key(|(_, matched)| **matched).map(|(id, _)| *id)
}

/// As whom this process is known to its own member.
fn own_origin(security: &Security) -> Origin {
    match security {
        Security::Plaintext => Origin::address(std::net::Ipv4Addr::LOCALHOST.into()),
        Security::Tls(credentials) => Origin::Certificate(credentials.own()),
    }
}

/// How long a write or a quorum round may take: one election and some disk.
fn write_patience(timing: &RaftTiming) -> Duration {
    (timing.election_max * 4).max(Duration::from_millis(500))
}

async fn open_store(config: &RaftConfig, own: &NodeConfig) -> Result<Store, NodeError> {
    let (data, cluster, id) = (own.data.clone(), config.cluster.clone(), own.id);
    let opened = tokio::task::spawn_blocking(move || Store::open(&data, &cluster, id)).await;
    opened.map_err(NodeError::stopped)?.map_err(|error| NodeError::Store(Arc::new(error)))
}

fn raft_settings(config: &RaftConfig, own: &NodeConfig) -> Result<Config, NodeError> {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let RaftTiming { heartbeat, election_min, election_max } = config.raft;
    let settings = Config {
        cluster_name: config.cluster.clone(),
        heartbeat_interval: millis(heartbeat),
        election_timeout_min: millis(election_min),
        election_timeout_max: millis(election_max),
        // A node that was cut off must not depose a healthy leader when it comes back.
        enable_pre_vote: Some(true),
        // A leader that restarts has forgotten what it promised; it must be elected anew.
        enable_leader_restore: Some(false),
        // A leader without a quorum falls silent, so that those it still reaches can elect another.
        quorum_loss_probe_interval: Some(millis(election_max * 2)),
        install_snapshot_timeout: millis(election_max.max(Duration::from_secs(2))),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(own.snapshot_every),
        max_in_snapshot_log_to_keep: own.keep_entries,
        replication_lag_threshold: own.snapshot_every.saturating_mul(2).max(5000),
        purge_batch_size: 256.min(own.snapshot_every),
        ..Config::default()
    };
    settings.validate().map_err(NodeError::stopped)
}
