//! [`EtcdCoordinator`] and its electors.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use election_core::clock::BootClock;
use election_core::{
    Candidate, Coordinator, ElectionName, Elector, LeaderEvents, Leadership, Loss, Operation, Result,
};
use etcd_client::Client;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::candidacy;
use crate::config::{Config, Renewal};
use crate::keeper::{self, Close, Keeper, Phase};
use crate::names::Names;
use crate::observe::{self, Feeds};
use crate::proof::version;
use crate::servers::{Bound, Servers};
use crate::shared::Shared;
use crate::watch::{Hub, Sentinel};

/// The connection to an etcd cluster, and the session that carries the candidacies of this process.
///
/// Clone the `Arc` it comes in. It is closed by [`close`](Coordinator::close), or when it and everything made
/// from it (electors, leaderships, observations) has been dropped.
pub struct EtcdCoordinator {
    shared: Arc<Shared>,
    granted: Duration,
    renewal: Renewal,
}

impl EtcdCoordinator {
    /// Uses a client that the caller has configured: for TLS, credentials or a channel that a URL cannot
    /// describe.
    ///
    /// Configure it with `with_keep_alive`, `with_keep_alive_while_idle(true)` and `with_require_leader(true)`,
    /// else a stream at a server that is cut off hangs; and with `with_auto_token_refresh(true)` if there is a
    /// user. Behind a client with several endpoints the members' versions are known only in part, so
    /// [`Renewal::Auto`] chooses [`Renewal::Swap`].
    ///
    /// # Errors
    /// `InvalidConfig` for settings out of bounds; `Unavailable` or `Timeout` if no server can be reached within
    /// [`Config::timeout`]; `PermissionDenied` if the credentials are refused.
    ///
    /// # Cancel safety
    /// Cancel safe: a session that was being opened expires with its TTL.
    pub async fn from_client(client: Client, config: Config) -> Result<Arc<Self>> {
        config.validate()?;
        Self::start(Servers::from_client(client), config).await
    }

    /// Boxed, so that it is compiled once, here, and not in every crate that awaits it.
    pub(crate) fn start(servers: Servers, config: Config) -> BoxFuture<'static, Result<Arc<Self>>> {
        Self::open(servers, config).boxed()
    }

    async fn open(servers: Servers, config: Config) -> Result<Arc<Self>> {
        let servers = Arc::new(servers);
        let clock = Arc::new(BootClock);
        let bound = Bound { attempt: config.timeout / 3, total: config.timeout };
        // Both at once: a process that starts wants to lead soon.
        let granted = keeper::open(&servers, &config, &*clock);
        let (granted, renewal) = tokio::join!(granted, version::choose(&servers, config.renewal, bound));
        let granted = granted.map_err(|error| error.during(Operation::Connect))?;
        // Members that cannot be listed are unknown: what is sound on every server is chosen.
        let renewal = renewal.unwrap_or_else(|error| {
            tracing::info!(%error, "etcd: the members are unknown, sessions are renewed by swap");
            Renewal::Swap
        });
        let ttl = granted.ttl;
        let attempt = config.timing(ttl).attempt_timeout;
        // A server that hangs is missed after two and a half beats: before the TTL has passed, and soon.
        let beat = config.timing(ttl).renew_every.min(Duration::from_secs(2));
        let hub = Hub::start(servers.clone(), beat);
        let sentinel =
            Sentinel::start(hub.clone(), servers.clone(), Bound { attempt, total: config.timeout });
        let (phase, phases) = watch::channel(Phase::Idle);
        let (closer, close) = mpsc::channel(1);
        let demand = Arc::new(Notify::new());
        let keeper = Keeper {
            servers: servers.clone(),
            config: config.clone(),
            renewal,
            clock: clock.clone(),
            phase,
            demand: demand.clone(),
            close,
        };
        let shared = Arc::new(Shared {
            servers,
            config,
            hub,
            sentinel,
            feeds: Feeds::default(),
            clock,
            runtime: tokio::runtime::Handle::current(),
            phases,
            demand,
            closing: AtomicBool::new(false),
            closer,
        });
        tokio::spawn(keeper.run(granted));
        Ok(Arc::new(Self { shared, granted: ttl, renewal }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The TTL that the server granted: at least its minimum, in whole seconds.
    #[must_use]
    pub fn granted_ttl(&self) -> Duration {
        self.granted
    }

    /// How sessions are proven to live on: what [`Renewal::Auto`] has chosen for these servers.
    #[must_use]
    pub fn renewal(&self) -> Renewal {
        self.renewal
    }
}

impl fmt::Debug for EtcdCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdCoordinator")
            .field("servers", &self.shared.servers)
            .field("root", &self.shared.config.root)
            .field("granted_ttl", &self.granted)
            .field("renewal", &self.renewal)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Coordinator for EtcdCoordinator {
    fn backend(&self) -> &'static str {
        crate::BACKEND
    }

    fn elector(&self, name: &str) -> Result<Arc<dyn Elector>> {
        let election = ElectionName::new(name).map_err(|error| error.backend(crate::BACKEND))?;
        Ok(Arc::new(EtcdElector { shared: self.shared.clone(), election, names: Arc::default() }))
    }

    async fn close(&self) -> Result<()> {
        self.shared.begin_to_close();
        let (confirm, confirmed): (Close, _) = oneshot::channel();
        // The claims end at once, not when the keeper gets to it.
        if let Phase::Open(session) = &*self.shared.phases.borrow() {
            session.state.end(Loss::Closed);
        }
        if self.shared.closer.send(confirm).await.is_err() {
            return Ok(());
        }
        // The keeper bounds its requests; a keeper that is gone has closed.
        confirmed.await.unwrap_or(Ok(()))
    }
}

struct EtcdElector {
    shared: Arc<Shared>,
    election: ElectionName,
    names: Arc<Names>,
}

impl fmt::Debug for EtcdElector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdElector")
            .field("election", &self.election)
            .field("servers", &self.shared.servers)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Elector for EtcdElector {
    fn election(&self) -> &ElectionName {
        &self.election
    }

    async fn campaign(&self, candidate: Candidate) -> Result<Leadership> {
        let campaign = candidacy::campaign(&self.shared, &self.election, &self.names, candidate);
        campaign.await.map_err(|error| error.during(Operation::Campaign).election(&self.election))
    }

    fn observe(&self) -> LeaderEvents {
        observe::observe(self.shared.clone(), self.election.clone())
    }
}
