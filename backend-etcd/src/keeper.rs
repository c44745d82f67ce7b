//! The keeper: the one task that owns the session, renews it, ends it and opens the next.

use std::sync::Arc;
use std::time::Duration;

use election_core::backend::SessionState;
use election_core::clock::Clock;
use election_core::{Backoff, Error, Kind, Loss, Operation, Result};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::config::{Config, Renewal};
use crate::error;
use crate::proof::keep_alive::KeepAlive;
use crate::proof::swap::{self, Granted};
use crate::requests;
use crate::servers::{Bound, Servers};
use crate::session::Session;

/// What the keeper tells about the session.
#[derive(Clone)]
pub(crate) enum Phase {
    /// There is none, as nobody campaigns; demand one.
    Idle,
    Open(Arc<Session>),
    /// Opening one failed; demand one to try again.
    Failed(Arc<Failure>),
    Closed,
}

/// Why no session could be opened: for several campaigns, so it is kept in parts.
pub(crate) struct Failure {
    kind: Kind,
    text: String,
}

impl Failure {
    pub(crate) fn error(&self, operation: Operation) -> Error {
        error::new(self.kind, operation).message("no session could be opened").source(self.text.clone())
    }
}

/// Ends the session; the answer tells whether the service has confirmed it.
pub(crate) type Close = oneshot::Sender<Result<()>>;

pub(crate) struct Keeper {
    pub(crate) servers: Arc<Servers>,
    pub(crate) config: Config,
    pub(crate) renewal: Renewal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) demand: Arc<Notify>,
    /// Ends when the coordinator and everything made from it is dropped.
    pub(crate) close: mpsc::Receiver<Close>,
}

enum End {
    Lost(Loss),
    Idle,
    Closed(Option<Close>),
}

impl Keeper {
    /// Runs until closed. `granted` is the lease of the first session.
    pub(crate) async fn run(mut self, granted: Granted) {
        let mut next = Some(granted);
        loop {
            let granted = match next.take() {
                Some(granted) => granted,
                None => {
                    tokio::select! {
                        () = self.demand.notified() => {}
                        close = self.close.recv() => return self.closed(None, close).await,
                    }
                    match self.open().await {
                        Ok(granted) => granted,
                        Err(error) => {
                            let failure = Failure { kind: error.kind(), text: error.to_string() };
                            self.phase.send_replace(Phase::Failed(Arc::new(failure)));
                            continue;
                        }
                    }
                }
            };
            let session = self.session(&granted);
            self.phase.send_replace(Phase::Open(session.clone()));
            match self.serve(&session, granted.sent).await {
                End::Closed(close) => return self.closed(Some(session), close).await,
                // Whoever closes ends the claims first, and says so next (or was dropped in between).
                End::Lost(Loss::Closed) => {
                    let close = self.close.recv().await;
                    return self.closed(Some(session), close).await;
                }
                End::Idle => tracing::debug!("etcd: the session is idle and ends"),
                End::Lost(loss) => tracing::warn!(%loss, "etcd: the session has ended"),
            }
            self.phase.send_replace(Phase::Idle);
            session.state.end(Loss::SessionExpired);
            // Whatever hangs on the leases must not outlive the session by a TTL if it can be helped.
            swap::revoke_in_background(&self.servers, session.timing.ttl / 4, session.close());
        }
    }

    fn session(&self, granted: &Granted) -> Arc<Session> {
        let timing = self.config.timing(granted.ttl);
        let state = SessionState::new(self.clock.clone(), granted.sent + timing.validity());
        Session::new(state, timing, granted.lease)
    }

    /// Grants the lease of a new session, within the configured timeout.
    async fn open(&self) -> Result<Granted> {
        open(&self.servers, &self.config, &*self.clock).await
    }

    /// Renews the session until it ends. Nothing but the deadline is watched in the arm that watches it; the
    /// requests run in an arm of their own.
    async fn serve(&mut self, session: &Arc<Session>, sent: election_core::clock::Instant) -> End {
        let renewals = Renewals {
            servers: &self.servers,
            clock: &*self.clock,
            renewal: self.renewal,
            ttl_seconds: self.config.ttl_seconds(),
            session,
        };
        tokio::select! {
            biased;
            loss = session.state.ended() => End::Lost(loss),
            close = self.close.recv() => End::Closed(close),
            () = renewals.run(sent) => End::Idle,
        }
    }

    /// Ends everything at once, then removes it from the service.
    async fn closed(mut self, session: Option<Arc<Session>>, close: Option<Close>) {
        self.phase.send_replace(Phase::Closed);
        let mut outcome = Ok(());
        if let Some(session) = session {
            session.state.end(Loss::Closed);
            let bound = Bound { attempt: session.attempt(), total: self.config.timeout };
            for lease in session.close() {
                outcome = outcome.and(requests::revoke(&self.servers, bound, lease).await);
            }
        }
        if let Some(close) = close {
            let _ = close.send(outcome);
        }
        while let Some(close) = self.close.recv().await {
            let _ = close.send(Ok(()));
        }
    }
}

/// How long one attempt to open a session may take.
pub(crate) fn opening_attempt(config: &Config) -> Duration {
    // In this order, and no clamp, which panics: the timeout may be the shorter one.
    (config.ttl / 4).max(Duration::from_millis(50)).min(config.timeout)
}

/// Grants the lease of a new session, within the configured timeout.
pub(crate) async fn open(servers: &Arc<Servers>, config: &Config, clock: &dyn Clock) -> Result<Granted> {
    let start = Instant::now();
    let attempt = opening_attempt(config);
    let mut backoff = Backoff::default();
    loop {
        let ttl = config.ttl_seconds();
        match swap::grant(servers, Operation::Connect, attempt, ttl, || clock.now()).await {
            Ok(granted) => {
                if granted.ttl.as_secs() > ttl.unsigned_abs() {
                    tracing::warn!(wanted = ttl, granted = ?granted.ttl, "etcd raised the TTL to its minimum");
                }
                return Ok(granted);
            }
            Err(error) if error.is_retryable() => {
                let delay = backoff.next_delay();
                if start.elapsed() + delay >= config.timeout {
                    return Err(servers.gave_up(error, config.timeout));
                }
                tokio::time::sleep(delay).await;
            }
            Err(error) => return Err(error),
        }
    }
}

struct Renewals<'a> {
    servers: &'a Arc<Servers>,
    clock: &'a dyn Clock,
    renewal: Renewal,
    ttl_seconds: i64,
    session: &'a Session,
}

impl Renewals<'_> {
    /// Renews for ever, or until the session is idle when a renewal is due.
    async fn run(self, mut sent: election_core::clock::Instant) {
        let Self { servers, session, .. } = self;
        let mut keep_alive = KeepAlive::new();
        let mut backoff = Backoff::new(Duration::from_millis(20), session.timing.attempt_timeout);
        loop {
            let due = sent + session.timing.renew_every;
            tokio::time::sleep(due.saturating_duration_since(self.clock.now())).await;
            if session.close_if_idle() {
                return;
            }
            let begun = self.clock.now();
            // A comparison of nothing proves nothing, and a poisoned lease must be replaced.
            let by_swap =
                self.renewal != Renewal::KeepAlive || session.is_poisoned() || session.records().is_empty();
            #[cfg(zoo)]
            let by_swap = by_swap && !election_core::zoo::planted("etcd-keep-alive-trusted");
            let renewed = if by_swap {
                swap::renew(servers, session, self.ttl_seconds).await
            } else {
                keep_alive.renew(servers, session).await
            };
            match renewed {
                Ok(()) => {
                    sent = begun;
                    backoff.reset();
                }
                Err(error) => {
                    tracing::warn!(%error, deadline = ?session.state.valid(), "renewing the session failed");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}
