//! The session: opened, renewed, watched and replaced by exactly one task.

use std::sync::Arc;
use std::time::Duration;

use election_core::backend::SessionState;
use election_core::clock::{BootClock, Clock, Instant};
use election_core::{Backoff, Error, Kind, Loss, Operation, Timing};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error;
use crate::metering;
use crate::network::{Group, GroupError, Item, Request, Response, SessionKey};
use crate::registry::Registry;
use crate::renewal;
use crate::state_machine::{Command, Outcome, SessionId};

/// How long a watch may take to be opened before it is tried anew. Short: meanwhile grants are not heard of.
const WATCH_PATIENCE: Duration = Duration::from_secs(2);

/// One session. Every candidacy and leadership holds the one it belongs to.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// What shows that it is ours.
    pub(crate) key: SessionKey,
    /// When the request that opened it was sent: the first proof.
    pub(crate) opened: Instant,
    /// Until when it is proven.
    pub(crate) state: Arc<SessionState>,
    pub(crate) candidacies: Registry,
    pub(crate) timing: Timing,
    /// How long one request may be tried.
    pub(crate) patience: Duration,
}

impl Session {
    /// The request that ends it.
    fn closing(&self) -> Request {
        Request::Write { key: self.key, command: Command::CloseSession { session: self.id } }
    }
}

/// The state of a coordinator's session.
#[derive(Debug, Clone)]
enum Phase {
    /// There is none at the moment; why the last attempt to open one failed.
    Opening(Option<Arc<Failed>>),
    Open(Arc<Session>),
    Closed,
}

#[derive(Debug)]
struct Failed {
    kind: Kind,
    message: String,
}

/// A coordinator's access to its present session.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(watch::Receiver<Phase>);

impl Sessions {
    /// Starts the task that keeps a session until `stop` is cancelled. It then waits for `withdrawing`, so
    /// that whoever resigned is answered, but no longer than the TTL; then it closes the session. Await the
    /// handle to know that it has tried to.
    pub(crate) fn start(
        group: Arc<Group>,
        timing: Timing,
        patience: Duration,
        stop: CancellationToken,
        withdrawing: JoinHandle<()>,
    ) -> (Self, JoinHandle<Result<(), GroupError>>) {
        let (phase, receiver) = watch::channel(Phase::Opening(None));
        let keeper = Keeper { group, timing, patience, phase };
        (Self(receiver), tokio::spawn(keeper.run(stop, withdrawing)))
    }

    /// The present session; waits for one, but no longer than `patience`.
    pub(crate) async fn current(
        &self,
        patience: Duration,
        operation: Operation,
    ) -> Result<Arc<Session>, Error> {
        let mut phases = self.0.clone();
        let settled = |phase: &Phase| match phase {
            Phase::Open(session) => session.state.valid().is_ok(),
            Phase::Closed => true,
            // What cannot become better by itself is told at once.
            Phase::Opening(failed) => failed.as_ref().is_some_and(|failed| !failed.kind.is_retryable()),
        };
        let found = tokio::time::timeout(patience, phases.wait_for(settled)).await;
        let phase = match found {
            Ok(Ok(phase)) => phase.clone(),
            Ok(Err(_)) => Phase::Closed,
            Err(_) => self.0.borrow().clone(),
        };
        match phase {
            Phase::Open(session) => Ok(session),
            Phase::Closed => Err(closed(operation)),
            Phase::Opening(Some(failed)) => Err(Error::new(failed.kind, operation)
                .backend(error::BACKEND)
                .message(failed.message.clone())),
            Phase::Opening(None) => Err(Error::new(Kind::Unavailable, operation)
                .backend(error::BACKEND)
                .message(format!("no session could be opened within {patience:?}: is a majority up?"))),
        }
    }
}

impl Sessions {
    /// Ends the claims of the present session at once, whatever its task is doing.
    pub(crate) fn end_claims(&self) {
        if let Phase::Open(session) = &*self.0.borrow() {
            session.state.end(Loss::Closed);
        }
    }

    /// The id of the present session, if there is one.
    pub(crate) fn id(&self) -> Option<SessionId> {
        match &*self.0.borrow() {
            Phase::Open(session) => Some(session.id),
            Phase::Opening(_) | Phase::Closed => None,
        }
    }
}

/// The error of everything that comes after the end of the coordinator.
pub(crate) fn closed(operation: Operation) -> Error {
    Error::new(Kind::Closed, operation).backend(error::BACKEND)
}

struct Keeper {
    group: Arc<Group>,
    timing: Timing,
    patience: Duration,
    phase: watch::Sender<Phase>,
}

impl Keeper {
    async fn run(self, stop: CancellationToken, withdrawing: JoinHandle<()>) -> Result<(), GroupError> {
        loop {
            let session = tokio::select! {
                () = stop.cancelled() => break,
                session = self.open() => session,
            };
            self.phase.send_replace(Phase::Open(session.clone()));
            tracing::debug!(session = session.id, "a session is open");
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                // Whoever closes ends the claims himself, after he has cancelled.
                () = self.tend(&session) => stop.is_cancelled(),
            };
            // The claims end first, whatever the service answers.
            session.state.end(Loss::Closed);
            if stopped {
                self.phase.send_replace(Phase::Closed);
                tokio::time::timeout(self.timing.ttl, withdrawing).await.ok();
                return self.close(&session).await;
            }
            let loss = session.state.valid().err();
            tracing::warn!(session = session.id, ?loss, "the session has ended");
            metering::count(metering::LOST);
            self.phase.send_replace(Phase::Opening(None));
            // So that those who wait behind our records need not wait for the TTL.
            let group = self.group.clone();
            let (close, ttl) = (session.closing(), self.timing.ttl);
            tokio::spawn(async move {
                group.call(close, ttl).await.ok();
            });
        }
        self.phase.send_replace(Phase::Closed);
        Ok(())
    }

    /// Opens a session, however long it takes.
    async fn open(&self) -> Arc<Session> {
        let mut backoff = Backoff::default();
        loop {
            // One key per attempt to hold a session, however often it is sent.
            let key = SessionKey::random();
            let ttl_ms = u64::try_from(self.timing.ttl.as_millis()).unwrap_or(u64::MAX);
            let sent = Instant::now();
            // Shorter than those who wait for a session do, so that they can be told why there is none.
            let answer = self.group.call(Request::Open { key, ttl_ms }, self.patience / 3).await;
            let failed = match answer {
                Ok(Response::Written { outcome: Outcome::Opened { session }, .. }) => {
                    let clock: Arc<dyn Clock> = Arc::new(BootClock);
                    let state = SessionState::new(clock, sent + self.timing.validity());
                    if state.valid().is_ok() {
                        return Arc::new(Session {
                            id: session,
                            key,
                            opened: sent,
                            state,
                            candidacies: Registry::default(),
                            timing: self.timing,
                            patience: self.patience,
                        });
                    }
                    // The answer took longer than the session is trusted; it has no records, so it may just
                    // expire.
                    Failed {
                        kind: Kind::Timeout,
                        message: format!(
                            "opening a session took longer than its ttl of {:?}",
                            self.timing.ttl
                        ),
                    }
                }
                Ok(Response::Written { outcome: Outcome::Refused(refusal), .. }) => {
                    Failed { kind: error::refusal_kind(refusal), message: refusal.to_string() }
                }
                Ok(other) => {
                    Failed { kind: Kind::Unexpected, message: format!("unexpected answer {other:?}") }
                }
                Err(error) => Failed {
                    kind: error::group(&error, Operation::Connect).kind(),
                    message: error.to_string(),
                },
            };
            tracing::debug!(why = failed.message, "cannot open a session");
            self.phase.send_replace(Phase::Opening(Some(Arc::new(failed))));
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Keeps a session alive and listens to it, until it has ended.
    async fn tend(&self, session: &Session) {
        tokio::select! {
            _ = session.state.ended() => {}
            () = renewal::keep(&self.group, session) => {}
            () = self.follow(session) => {}
        }
    }

    /// Listens to what happens to the session, wherever the Raft leader is.
    async fn follow(&self, session: &Session) {
        let mut leader = self.group.leader_changes();
        loop {
            let request = Request::WatchSession { session: session.id, key: session.key };
            match self.group.stream(request, WATCH_PATIENCE).await {
                Ok(mut items) => {
                    leader.mark_unchanged();
                    loop {
                        let item = tokio::select! {
                            item = items.next() => item,
                            // A renewal was answered by somebody else: the stream may hang on a member that
                            // was stopped or cut off, and would be missed only when that is noticed.
                            _ = leader.changed() => None,
                        };
                        let Some(Item::Session(event)) = item else { break };
                        if !session.candidacies.learn(event) {
                            session.state.end(Loss::SessionExpired);
                            return;
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot watch the session"),
            }
            // A stream that ends at once must not become a busy loop.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn close(&self, session: &Session) -> Result<(), GroupError> {
        self.group.call(session.closing(), self.timing.ttl.max(Duration::from_millis(500))).await.map(drop)
    }
}
