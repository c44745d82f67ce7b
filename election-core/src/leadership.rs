//! [`Leadership`]: what a won campaign returns, and [`LeadershipHandle`], what its work holds.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::{Notify, oneshot};

use crate::candidate::{Candidate, ElectionName};
use crate::clock::Instant;
use crate::error::{Error, Kind, Operation, Result};
use crate::session::SessionState;
use crate::token::FencingToken;

/// Why a leadership ended. It is final: campaign anew for a larger token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Loss {
    /// The service ended the session.
    #[error("the service ended the session")]
    SessionExpired,
    /// Our own record vanished: an administrator (or a bug) deleted it.
    #[error("our record was deleted from the service")]
    Deposed,
    /// The deadline passed without a proven renewal: the process was paused, or the service out of reach.
    #[error("the deadline passed without a proven renewal")]
    Unproven,
    /// It was resigned, dropped, or its coordinator was closed.
    #[error("it was resigned or its coordinator was closed")]
    Closed,
}

impl Loss {
    pub(crate) const fn code(self) -> u64 {
        match self {
            Self::SessionExpired => 1,
            Self::Deposed => 2,
            Self::Unproven => 3,
            Self::Closed => 4,
        }
    }

    pub(crate) const fn from_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::SessionExpired),
            2 => Some(Self::Deposed),
            3 => Some(Self::Unproven),
            4 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// What a backend does to give up a leadership's record: see [`Leadership::new`].
pub type Release = Box<dyn FnOnce() -> oneshot::Receiver<Result<()>> + Send + Sync>;

struct Shared {
    election: ElectionName,
    candidate: Candidate,
    token: FencingToken,
    session: Arc<SessionState>,
    /// 0 while it lasts, else the code of the [`Loss`]; written once.
    ended: AtomicU8,
    changed: Notify,
}

impl Shared {
    /// Ends it; `true` for the one call that did.
    fn end(&self, loss: Loss) -> bool {
        // The codes are small: see `Loss::code`.
        let code = loss.code() as u8;
        let first = self.ended.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if first {
            self.changed.notify_waiters();
        }
        first
    }

    fn valid(&self) -> Result<Instant, Loss> {
        if let Some(loss) = Loss::from_code(self.ended.load(Ordering::SeqCst).into()) {
            return Err(loss);
        }
        self.session.valid().map_err(|loss| {
            self.end(loss);
            // What was recorded first is what everybody is told.
            Loss::from_code(self.ended.load(Ordering::SeqCst).into()).unwrap_or(loss)
        })
    }
}

/// A view of a [`Leadership`] for the work that it allows: clone it into every task that acts as leader.
///
/// It cannot end the leadership and does not keep it: dropping every handle changes nothing, and a handle
/// that outlives its leadership reports [`Loss::Closed`].
#[derive(Clone)]
pub struct LeadershipHandle(Arc<Shared>);

impl LeadershipHandle {
    /// Whether this leadership is valid at the moment of the call, and its token.
    ///
    /// Compares the deadline with the clock, so it is right even if no task of this process has run for a
    /// minute. It takes no lock, allocates nothing and makes no system call; call it before every act. The
    /// answer is over when it is given: a process can be paused between the check and the act, so send the
    /// token along, to a resource that compares it (see [`gate`](crate::gate)).
    ///
    /// # Errors
    /// Why the leadership ended. Once it has failed it fails for ever, with the same reason.
    #[inline]
    pub fn check(&self) -> Result<FencingToken, Loss> {
        self.0.valid().map(|_| self.0.token)
    }

    /// The local deadline: the instant up to which [`check`](Self::check) succeeds if no renewal is proven
    /// until then, on the coordinator's clock.
    ///
    /// # Errors
    /// Why the leadership ended.
    pub fn valid_until(&self) -> Result<Instant, Loss> {
        self.0.valid()
    }

    /// Waits until the leadership is lost; at once if it is.
    ///
    /// Prompt but advisory: it runs on a task, and tasks can be late. [`check`](Self::check) is never late.
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub async fn lost(&self) -> Loss {
        loop {
            let own = self.0.changed.notified();
            let session = self.0.session.changed();
            tokio::pin!(own, session);
            // Registered before the look, so that an end between the two is not missed.
            own.as_mut().enable();
            session.as_mut().enable();
            match self.0.valid() {
                Err(loss) => return loss,
                Ok(deadline) => {
                    let remaining = deadline.saturating_duration_since(self.0.session.clock().now());
                    tokio::select! {
                        () = own => {}
                        () = session => {}
                        () = tokio::time::sleep(remaining) => {}
                    }
                }
            }
        }
    }

    /// The token of this leadership, whether or not it is still valid.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.0.token
    }

    /// The election that was won.
    #[must_use]
    pub fn election(&self) -> &ElectionName {
        &self.0.election
    }

    /// The candidate who won it.
    #[must_use]
    pub fn candidate(&self) -> &Candidate {
        &self.0.candidate
    }

    /// The present moment on the clock of [`valid_until`](Self::valid_until).
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.session.clock().now()
    }

    /// For backends: ends the leadership because its record is gone ([`Loss::Deposed`]) or its session is
    /// ([`Loss::SessionExpired`]). The first reason stays: if the session had ended before, that is the reason,
    /// and the record went because of it.
    pub fn end(&self, loss: Loss) {
        let loss = self.0.valid().err().unwrap_or(loss);
        self.0.end(loss);
    }
}

impl fmt::Debug for LeadershipHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadershipHandle")
            .field("election", &self.0.election)
            .field("candidate", self.0.candidate.id())
            .field("token", &self.0.token)
            .field("valid", &self.0.valid())
            .finish()
    }
}

/// A won election. Unique: whoever holds it leads, as long as [`check`](LeadershipHandle::check) says so.
///
/// It can be lost while it is held. Dropping it resigns in the background; [`resign`](Self::resign) does the
/// same and waits for the service's confirmation. It derefs to [`LeadershipHandle`].
#[must_use = "dropping a leadership resigns it"]
pub struct Leadership {
    handle: LeadershipHandle,
    release: Option<Release>,
}

impl Leadership {
    /// For backends: a leadership of `candidate`, valid as long as `session` is.
    ///
    /// `release` is called exactly once, by resign or by drop, after the claim has ended. It must not block
    /// and must not need a runtime: it hands the work to the task that owns the session, which removes the
    /// record **if it is still this leadership's** (compare the token), retries until the TTL has passed, and
    /// sends the outcome, within the TTL, to a receiver that may be gone.
    ///
    /// # Errors
    /// [`Kind::SessionLost`] if the session has ended meanwhile. `release` is called then, too.
    pub fn new(
        election: ElectionName,
        candidate: Candidate,
        token: FencingToken,
        session: Arc<SessionState>,
        release: Release,
    ) -> Result<Self> {
        let shared =
            Shared { election, candidate, token, session, ended: AtomicU8::new(0), changed: Notify::new() };
        let leadership = Self { handle: LeadershipHandle(Arc::new(shared)), release: Some(release) };
        match leadership.check() {
            Ok(_) => Ok(leadership),
            Err(loss) => Err(Error::new(Kind::SessionLost, Operation::Campaign)
                .election(leadership.election())
                .source(loss)),
        }
    }

    /// A view for the tasks that do the leader's work.
    #[must_use]
    pub fn handle(&self) -> LeadershipHandle {
        self.handle.clone()
    }

    /// Ends the leadership, whatever it answers.
    ///
    /// From the call on every check fails, and only then is the record removed, if it is still ours. Stop the
    /// work first: [`ElectorExt::lead`](crate::ElectorExt::lead) does it in the right order.
    ///
    /// # Errors
    /// [`Kind::NotLeader`] if it had ended before; nothing of a successor is touched. Every other error means
    /// "not confirmed", never "still leader": the record goes in the background, at the latest with the TTL.
    ///
    /// # Cancel safety
    /// Dropping the future loses the confirmation, not the resignation.
    pub async fn resign(mut self) -> Result<()> {
        let lost = self.handle.0.valid().err();
        #[cfg(zoo)]
        if crate::zoo::planted("claim-outlives-resign") {
            let released = self.release.take().map(|release| release());
            return match released {
                Some(outcome) => outcome.await.unwrap_or(Ok(())),
                None => Ok(()),
            };
        }
        self.handle.0.end(Loss::Closed);
        let released = self.release.take().map(|release| release());
        if let Some(loss) = lost {
            return Err(Error::new(Kind::NotLeader, Operation::Resign)
                .election(self.election())
                .message("the leadership had ended before it was resigned")
                .source(loss));
        }
        match released {
            Some(outcome) => outcome.await.unwrap_or_else(|_| {
                Err(Error::new(Kind::Unavailable, Operation::Resign).election(self.election()).message(
                    "the coordinator stopped before the service confirmed; the record goes with the TTL",
                ))
            }),
            None => Ok(()),
        }
    }
}

impl Deref for Leadership {
    type Target = LeadershipHandle;

    fn deref(&self) -> &LeadershipHandle {
        &self.handle
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.handle.0.end(Loss::Closed);
        if let Some(release) = self.release.take() {
            // The outcome goes nowhere: a drop cannot report.
            drop(release());
        }
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leadership").field(&self.handle).finish()
    }
}

#[cfg(test)]
mod tests;
