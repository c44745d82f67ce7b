//! Where sessions come from: the servers of a URL, the user's clients, or one client handed in.

use std::sync::Arc;
use std::time::Duration;

use election_core::clock::{Clock, Instant};
use election_core::{Backoff, Error, Kind, Operation, Result};
use futures::future::BoxFuture;
use tokio::time::{Instant as Moment, sleep, timeout, timeout_at};
use zookeeper_client as zk;

use crate::config::{Config, invalid};
use crate::error::{BACKEND, Failure, is_passing};
use crate::owner::unreachable;
use crate::session::{Committed, Session};

/// Opens a client with a session of its own: see
/// [`ZkCoordinator::with_clients`](crate::ZkCoordinator::with_clients).
pub type Clients = Arc<dyn Fn() -> BoxFuture<'static, Result<zk::Client, zk::Error>> + Send + Sync>;

/// Where sessions come from.
pub(crate) enum Source {
    /// The endpoints of the configuration.
    Servers {
        /// The timeout that they granted last, if it is not the one that was asked for.
        granted: Option<Duration>,
    },
    /// The user opens them.
    Clients(Clients),
    /// One, and no other after it.
    Once(Option<zk::Client>),
}

/// A client that is connected, with a session that was asked for between the two moments.
struct Reached {
    client: zk::Client,
    before: Instant,
    answered: Instant,
}

impl Source {
    /// Opens a session. A server is reached within the connect timeout, or an error says so; a session whose opening took
    /// long is then proven anew, for which it has its own timeout.
    pub(crate) async fn open(
        &mut self,
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Arc<Session>, Committed)> {
        if let Self::Once(client) = self {
            let client = client.take().ok_or_else(|| {
                Error::new(Kind::Closed, Operation::Connect).backend(BACKEND).message(
                    "the session of the client that was handed in has ended: connect a new coordinator",
                )
            })?;
            // Two renewals, so it may take longer than the connect timeout; the session's own timeout bounds it.
            let bound = config.connect_timeout + client.session_timeout();
            let adopted = timeout(bound, Session::adopt(client, clock.clone(), config)).await;
            let (mut session, last) = adopted
                .map_err(|_| unreachable(config, None))?
                .map_err(|error| Error::from(Failure(Operation::Connect, error)))?;
            session.may_be_shared();
            return Ok((usable(session, config)?, last));
        }
        let deadline = Moment::now() + config.connect_timeout;
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));
        loop {
            let opened = match timeout_at(deadline, self.reach(config, clock)).await {
                Ok(Ok(reached)) => reached.open(config, clock).await,
                Ok(Err(error)) => Err(error),
                Err(_) => return Err(unreachable(config, None)),
            };
            let error = match opened {
                Ok((session, last)) => return Ok((usable(session, config)?, last)),
                Err(error) if is_passing(&error) => error,
                Err(error) => return Err(unreachable(config, Some(error))),
            };
            let delay = backoff.next_delay();
            if Moment::now() + delay >= deadline {
                return Err(unreachable(config, Some(error)));
            }
            sleep(delay).await;
        }
    }

    async fn reach(&mut self, config: &Config, clock: &Arc<dyn Clock>) -> Result<Reached, zk::Error> {
        let mut before = clock.now();
        let client = match self {
            Self::Clients(clients) => clients().await?,
            // `open` has taken the other one.
            Self::Once(_) => return Err(zk::Error::ClientClosed),
            Self::Servers { granted } => {
                let asked = granted.unwrap_or(config.timeout);
                let client = connect(config, asked).await?;
                if client.session_timeout() == asked {
                    client
                } else {
                    // The client's own timeouts follow from what it asked for, and would not fit.
                    let fitting = *granted.insert(client.session_timeout());
                    drop(client);
                    before = clock.now();
                    connect(config, fitting).await?
                }
            }
        };
        if client.session_timeout() != config.timeout {
            tracing::warn!(
                asked = ?config.timeout, granted = ?client.session_timeout(),
                "the servers granted another session timeout, which is used: they grant 2 to 20 of their ticks"
            );
        }
        Ok(Reached { client, before, answered: clock.now() })
    }
}

impl Reached {
    async fn open(self, config: &Config, clock: &Arc<dyn Clock>) -> Result<(Session, Committed), zk::Error> {
        let Self { client, before, answered } = self;
        let lasts = client.session_timeout();
        if answered.saturating_duration_since(before) > lasts / 5 {
            // Servers were tried that did not answer, say. Proof is one renewal behind: a deadline that counts from
            // `before` would pass before the second renewal moves it, so this session has to be proven anew.
            let proven = timeout(lasts, Session::adopt(client, clock.clone(), config)).await;
            return proven.unwrap_or(Err(zk::Error::ConnectionLoss));
        }
        let session = Session::fresh(client, before, clock.clone(), config);
        Ok((session, Committed { sent: before, answered }))
    }
}

/// Refuses a session whose timeout, as the servers granted it, does not fit the settings: it could never be proven.
fn usable(session: Session, config: &Config) -> Result<Arc<Session>> {
    let granted = session.client.session_timeout();
    if granted != config.timeout
        && let Err(error) = config.timing(granted).validate(Config::BEHIND)
    {
        let asked = config.timeout;
        return Err(invalid(format!("the servers granted {granted:?} of the timeout of {asked:?}: {error}")));
    }
    Ok(Arc::new(session))
}

/// Connects to one of the servers, each tried once.
async fn connect(config: &Config, timeout: Duration) -> Result<zk::Client, zk::Error> {
    let mut connector = zk::Client::connector()
        .with_session_timeout(timeout)
        // A silent server is given up after a quarter of the timeout instead of two fifths: then another one has
        // proven the session before a deadline that is one renewal behind.
        .with_connection_timeout(timeout / 4)
        // Else the client goes on for a whole session timeout before it says that nobody is there.
        .with_fail_eagerly();
    if let Some(credentials) = &config.credentials {
        let identity = format!("{}:{}", credentials.user, credentials.password);
        connector = connector.with_auth("digest", identity.as_bytes());
    }
    connector.connect(&config.endpoints.join(",")).await
}
