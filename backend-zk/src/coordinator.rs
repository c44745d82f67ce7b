//! [`ZkCoordinator`]: what the electors of one process share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use election_core::clock::{BootClock, Clock};
use election_core::{Coordinator, ElectionName, Elector, Error, Kind, Loss, Operation, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use zookeeper_client as zk;

use crate::config::Config;
use crate::elector::ZkElector;
use crate::error::BACKEND;
use crate::observe::Feed;
use crate::owner::{Command, Owner, Phase};
use crate::session::Session;
use crate::source::{Clients, Source};

/// The connection of one process to a ZooKeeper ensemble: one session for all its elections.
///
/// It lives until [`close`](Coordinator::close), or until it and everything made from it is dropped.
pub struct ZkCoordinator(Arc<Shared>);

/// What coordinator, electors, leaderships and observers hold in common.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) runtime: Handle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) phase: watch::Receiver<Phase>,
    commands: mpsc::UnboundedSender<Command>,
    /// One feed per election that is observed; dead ones are replaced when the election is observed again.
    pub(crate) feeds: Mutex<HashMap<ElectionName, Weak<Feed>>>,
}

impl ZkCoordinator {
    /// Connects to the servers that `config` names.
    ///
    /// # Errors
    /// [`InvalidConfig`](Kind::InvalidConfig); [`Unavailable`](Kind::Unavailable) if no server opened a session
    /// within [`Config::connect_timeout`]; [`PermissionDenied`](Kind::PermissionDenied) if the servers refuse the
    /// credentials.
    ///
    /// # Cancel safety
    /// Cancel safe: a session that was being opened expires with its timeout.
    pub async fn connect(config: Config) -> Result<Arc<Self>> {
        if config.endpoints.is_empty() {
            return Err(crate::config::invalid("no endpoint is given"));
        }
        Self::start(config, Source::Servers { granted: None }).await
    }

    /// Coordinates over one client, configured by the caller (TLS, SASL, a chroot).
    ///
    /// The age of its session is unknown, so two renewals prove it first: this takes a third of the session
    /// timeout. Hand in the only copy: the session ends, and with it our records, when its last copy is dropped.
    /// Once it has ended there is no other, and campaigns fail with [`Closed`](Kind::Closed);
    /// [`with_clients`](Self::with_clients) goes on.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn from_client(client: zk::Client, config: Config) -> Result<Arc<Self>> {
        Self::start(config, Source::Once(Some(client))).await
    }

    /// Coordinates over clients that `clients` opens: one now, and one whenever a session has ended.
    ///
    /// Each call must connect anew and open a **new** session: the proof of a fresh session counts from the
    /// moment of the call. Ask for the session timeout in [`Config::timeout`], and give
    /// `with_connection_timeout` a quarter of it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn with_clients(clients: Clients, config: Config) -> Result<Arc<Self>> {
        Self::start(config, Source::Clients(clients)).await
    }

    /// Boxed, so that it is compiled once, here, and not in every crate that awaits it.
    fn start(config: Config, source: Source) -> BoxFuture<'static, Result<Arc<Self>>> {
        Self::open(config, source).boxed()
    }

    async fn open(config: Config, mut source: Source) -> Result<Arc<Self>> {
        config.validate()?;
        let config = Arc::new(config);
        let clock: Arc<dyn Clock> = Arc::new(BootClock);
        let (session, last) = source.open(&config, &clock).await?;
        tracing::info!(session = %session.client.session_id(), timing = ?session.timing, "ZooKeeper session opened");
        let (phase, phases) = watch::channel(Phase::Live(session.clone()));
        let (commands, inbox) = mpsc::unbounded_channel();
        let runtime = Handle::current();
        let owner = Owner { config: config.clone(), source, clock: clock.clone(), phase, commands: inbox };
        let shared = Shared { config, runtime, clock, phase: phases, commands, feeds: Mutex::default() };
        shared.runtime.spawn(owner.run((session, last)));
        Ok(Arc::new(Self(Arc::new(shared))))
    }

    /// The session timeout that the servers granted; `None` while there is no session.
    #[must_use]
    pub fn granted_timeout(&self) -> Option<std::time::Duration> {
        match &*self.0.phase.borrow() {
            Phase::Live(session) => Some(session.timing.ttl),
            Phase::Opening | Phase::Down(_) | Phase::Closed => None,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Shared {
    /// The present session; waits for one up to the connect timeout.
    pub(crate) async fn session(&self, operation: Operation) -> Result<Arc<Session>> {
        let mut phases = self.phase.clone();
        let live = async {
            loop {
                let phase = phases.borrow_and_update().clone();
                match phase {
                    Phase::Live(session) if session.state.valid().is_ok() => return Ok(session),
                    Phase::Closed => return Err(self.closed(operation)),
                    // Waiting does not give rights.
                    Phase::Down(outage) if !outage.kind.is_retryable() => {
                        return Err(Error::new(outage.kind, operation).backend(BACKEND).message(&outage.why));
                    }
                    Phase::Live(_) | Phase::Opening | Phase::Down(_) => {}
                }
                if phases.changed().await.is_err() {
                    return Err(self.closed(operation));
                }
            }
        };
        match timeout(self.config.connect_timeout, live).await {
            Ok(session) => session,
            Err(_) => Err(self.unavailable(operation)),
        }
    }

    /// No server answers.
    pub(crate) fn unavailable(&self, operation: Operation) -> Error {
        let why = match &*self.phase.borrow() {
            Phase::Down(outage) => format!(" ({})", outage.why),
            _ => String::new(),
        };
        Error::new(Kind::Unavailable, operation).backend(BACKEND).message(format!(
            "no server of {} answered within {:?}: check that ZooKeeper runs and has a quorum, then retry{why}",
            self.config.endpoints.join(", "),
            self.config.connect_timeout
        ))
    }

    pub(crate) fn closed(&self, operation: Operation) -> Error {
        Error::new(Kind::Closed, operation).backend(BACKEND)
    }

    /// The znode of an election.
    pub(crate) fn path(&self, election: &ElectionName) -> String {
        format!("{}/{election}", self.config.root)
    }
}

#[async_trait]
impl Coordinator for ZkCoordinator {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn elector(&self, name: &str) -> Result<Arc<dyn Elector>> {
        let election = ElectionName::new(name).map_err(|error| error.backend(BACKEND))?;
        Ok(Arc::new(ZkElector::new(self.0.clone(), election)))
    }

    async fn close(&self) -> Result<()> {
        let (reply, outcome) = oneshot::channel();
        if self.0.commands.send(Command::Close(reply)).is_err() {
            return Ok(());
        }
        // At once, not when the owner gets to it; and after the command, which the owner then looks for.
        if let Phase::Live(session) = &*self.0.phase.borrow() {
            session.state.end(Loss::Closed);
        }
        // The owner drops what it has not read when it ends: closed it is, then.
        outcome.await.unwrap_or(Ok(()))
    }
}

impl fmt::Debug for ZkCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZkCoordinator")
            .field("config", &self.0.config)
            .field("granted_timeout", &self.granted_timeout())
            .finish()
    }
}
