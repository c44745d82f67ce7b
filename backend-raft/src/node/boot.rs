//! Starting and stopping a member.

use std::sync::Arc;
use std::time::Duration;

use election_core::clock::Instant;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use openraft::{Config, SnapshotPolicy};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::acquaintance::recogniser;
use super::changes::Changes;
use super::forming::{self, Others};
use super::meter::{self, Meter};
use super::office::{self, OfficeTiming};
use super::renewals::Renewals;
use super::service::{Parts, Service};
use super::{health, joining, register};
use crate::config::{Join, NodeConfig, RaftConfig, RaftTiming};
use crate::error::NodeError;
use crate::network::limits::Connections;
use crate::network::{
    Caller, Door, Entrance, Group, Listener, Origin, Peers, Reach, Refused, Security, Sender, serve,
};
use crate::state_machine::{Machine, Replica};
use crate::store::Store;
use crate::types::{NodeId, Raft};

/// How long a process may take to end after it was killed, before its port is said to be another's.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Listens; waits a moment for a predecessor that was killed and still holds the port.
async fn listen(address: &str) -> Result<Listener, NodeError> {
    #[cfg(feature = "sim")]
    if let Some(host) = crate::sim::host() {
        let arrivals = host.listen(address);
        return arrivals
            .map(Listener::Simulated)
            .map_err(|error| NodeError::Listen { address: address.to_owned(), error: error.to_string() });
    }
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener.into()),
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
    /// Everything that was started ends with it.
    stop: DropGuard,
    failure: watch::Receiver<Option<NodeError>>,
    server: JoinHandle<()>,
}

impl Node {
    /// Opens the data directory, starts to listen and to take part in Raft, and sees to it that the group is
    /// formed. It does not wait for the others.
    ///
    /// Boxed, so that it is compiled once, here, and not in every crate that awaits it.
    pub(crate) fn start<'a>(
        config: &'a RaftConfig,
        own: &'a NodeConfig,
        security: &'a Security,
    ) -> BoxFuture<'a, Result<Self, NodeError>> {
        let start = async move {
            let address = own.listen.clone().unwrap_or_else(|| address(config, own));
            // Before the store: a port in use is the cheaper thing to find out.
            let listener = listen(&address).await?;
            let store = open_store(config, own).await?;
            Self::run(config, own, security, listener, store).await
        };
        start.boxed()
    }

    /// Starts everything on a store that is open.
    pub(super) async fn run(
        config: &RaftConfig,
        own: &NodeConfig,
        security: &Security,
        listener: impl Into<Listener>,
        store: Store,
    ) -> Result<Self, NodeError> {
        let listener = listener.into();
        if let Some(free) = store.log.removal() {
            let refused = Refused::Removed { id: own.id, free };
            return Err(NodeError::Removed { by: own.id, refused });
        }
        let (log, pristine, replica) = (store.log, store.pristine, Replica::default());
        let sender = Sender::Member { id: own.id, incarnation: store.identity.incarnation };
        let reach = Reach {
            cluster: config.cluster.clone(),
            sender,
            list: config.by_id(),
            security: security.clone(),
            recognise: recogniser(replica.clone(), log.clone()),
            append_patience: config.raft.election_max,
        };
        let peers = Peers::new(own.id, reach);
        let (snapshot, machine) = (store.snapshot.clone(), Machine::new(replica.clone(), store.snapshot));
        let settings = raft_settings(config, own)?;
        let raft = Raft::new(own.id, Arc::new(settings), peers.clone(), log.clone(), machine)
            .await
            .map_err(NodeError::stopped)?;
        let patience = write_patience(&config.raft);
        let embargo = if pristine { Duration::ZERO } else { config.raft.election_max };
        let parts = Arc::new(Parts {
            identity: store.identity,
            joins: own.join != Join::Form,
            pristine,
            raft: raft.clone(),
            peers: peers.clone(),
            replica: replica.clone(),
            log: log.clone(),
            renewals: Renewals::start(raft.clone(), replica.clone(), patience),
            changes: Changes::default(),
            timing: config.raft,
            votes_from: Instant::now() + embargo,
            patience,
            own: Caller::new(Sender::Client, own_origin(security)),
        });
        let service = Arc::new(Service::new(parts.clone()));
        let stop = CancellationToken::new();
        tokio::spawn(end(raft.clone(), stop.clone()));
        let guard = stop.clone().drop_guard();
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
        tokio::spawn(register::run(parts.clone(), stop.clone()));
        let (failed, failure) = watch::channel(None);
        let node = Self { raft: raft.clone(), service, timing: config.raft, stop: guard, failure, server };
        let forms = pristine && own.join == Join::Form;
        let others_listed = Others::new(own.id, peers);
        if forms && let Err(error) = others_listed.ask().await {
            node.abandon().await;
            return Err(error);
        }
        let forming = match own.join {
            Join::Form => forms.then(|| forming::form(raft, others_listed).boxed()),
            Join::Ask | Join::Replace(_) => {
                let replaces = if let Join::Replace(old) = own.join { Some(old) } else { None };
                let group = others(config, own, security);
                Some(joining::ask(parts.clone(), group, address(config, own), replaces).boxed())
            }
            Join::Wait => None,
        };
        tokio::spawn(health::watch(parts, forming, failed, stop));
        Ok(node)
    }

    /// What answers requests to this node.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Raft itself.
    #[cfg(test)]
    pub(super) fn raft(&self) -> &Raft {
        &self.raft
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

    /// Hands the Raft leadership to another member, if this node has it, then stops. Boxed as [`start`](Self::start).
    pub(crate) fn shutdown(self) -> BoxFuture<'static, ()> {
        let shutdown = async move {
            if self.failure.borrow().is_none() {
                office::hand_over(&self.raft, self.timing).await;
            }
            self.abandon().await;
        };
        shutdown.boxed()
    }

    async fn abandon(self) {
        drop(self.stop);
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not stop cleanly");
        }
        self.server.await.ok();
    }
}

/// Ends Raft when everything else ends: also when whoever started it has gone away in the middle of that.
async fn end(raft: Raft, stop: CancellationToken) {
    stop.cancelled().await;
    raft.shutdown().await.ok();
}

/// The address of this member, as it is in the list.
fn address(config: &RaftConfig, own: &NodeConfig) -> String {
    config.by_id().remove(&own.id).unwrap_or_default()
}

/// The group as a node sees it that is not in it yet.
fn others(config: &RaftConfig, own: &NodeConfig, security: &Security) -> Group {
    let mut members = config.by_id();
    members.remove(&own.id);
    Group::new(&config.cluster, &members, None, config.raft.election_max * 2, security)
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
    #[cfg(feature = "sim")]
    if let Some(host) = crate::sim::host() {
        return host.disk().open(&cluster, id).map_err(|error| NodeError::Store(Arc::new(error)));
    }
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
