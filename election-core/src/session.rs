//! [`SessionState`]: the one deadline that all leaderships of a session share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Instant};
use crate::leadership::Loss;

/// Deadlines below this are not deadlines but the reason of the end: one atomic word holds both, so that
/// "extend" and "end" cannot cross each other.
const FIRST_DEADLINE: u64 = 16;

/// The local view of a session: until when it is proven, or why it has ended.
///
/// Owned by the one task of a backend that renews the session, shared with every leadership that hangs on it.
/// Its end is final: whoever sees the deadline pass (a check, a waiter, a late renewal) ends the session for
/// all, and no renewal that comes later revives it.
pub struct SessionState {
    /// Nanoseconds on `clock`, or the code of a [`Loss`].
    deadline: AtomicU64,
    clock: Arc<dyn Clock>,
    changed: Notify,
}

impl SessionState {
    /// A session that is proven until `deadline`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, deadline: Instant) -> Arc<Self> {
        let deadline = AtomicU64::new(deadline.as_nanos().max(FIRST_DEADLINE));
        Arc::new(Self { deadline, clock, changed: Notify::new() })
    }

    /// The clock of the deadline.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Extends the deadline to `sent` + `validity` after a *proven* renewal that was sent at `sent`.
    ///
    /// `sent` must have been read before the request was handed to the network. A renewal that proves less
    /// than is known changes nothing.
    ///
    /// # Errors
    /// The reason why the session has ended; also when the deadline had passed before the proof came.
    pub fn prove(&self, sent: Instant, validity: Duration) -> Result<Instant, Loss> {
        #[cfg(zoo)]
        let sent = if crate::zoo::planted("deadline-from-receipt") { self.clock.now() } else { sent };
        let new = (sent + validity).as_nanos();
        loop {
            let seen = self.valid()?.as_nanos();
            if seen >= new {
                return Ok(Instant::from_nanos(seen));
            }
            // Fails if another thread ended the session since: an end is never overwritten.
            if self.deadline.compare_exchange(seen, new, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return Ok(Instant::from_nanos(new));
            }
        }
    }

    /// Ends the session. The first reason stays.
    pub fn end(&self, loss: Loss) {
        let ended = self.deadline.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |seen| {
            match Loss::from_code(seen) {
                Some(_) => None,
                None => Some(loss.code()),
            }
        });
        if ended.is_ok() {
            self.changed.notify_waiters();
        }
    }

    /// The deadline, if it has not passed at the moment of the call.
    ///
    /// # Errors
    /// Why the session has ended.
    pub fn valid(&self) -> Result<Instant, Loss> {
        let mut seen = self.deadline.load(Ordering::SeqCst);
        loop {
            if let Some(loss) = Loss::from_code(seen) {
                return Err(loss);
            }
            #[cfg(zoo)]
            if crate::zoo::planted("flag-set-by-a-timer") {
                return Ok(Instant::from_nanos(seen));
            }
            // Read after the deadline: a pause between the two makes the answer stricter, not laxer.
            if self.clock.now().as_nanos() < seen {
                return Ok(Instant::from_nanos(seen));
            }
            let lapsed = Loss::Unproven.code();
            match self.deadline.compare_exchange(seen, lapsed, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => {
                    self.changed.notify_waiters();
                    return Err(Loss::Unproven);
                }
                Err(newer) => seen = newer,
            }
        }
    }

    /// Waits until the session has ended; at once if it has.
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub async fn ended(&self) -> Loss {
        loop {
            let changed = self.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.valid() {
                Err(loss) => return loss,
                Ok(deadline) => {
                    let remaining = deadline.saturating_duration_since(self.clock.now());
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep(remaining) => {}
                    }
                    #[cfg(zoo)]
                    if crate::zoo::planted("flag-set-by-a-timer") && self.clock.now() >= deadline {
                        self.end(Loss::Unproven);
                    }
                }
            }
        }
    }

    /// Notified when the session ends early. Enable it before looking at [`valid`](Self::valid).
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl fmt::Debug for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionState").field(&self.valid()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const START: Instant = Instant::from_nanos(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn session() -> (Arc<ManualClock>, Arc<SessionState>) {
        let clock = Arc::new(ManualClock::new(START));
        (clock.clone(), SessionState::new(clock, START + SECOND))
    }

    #[test]
    fn a_proof_extends_and_an_older_one_does_not_shorten() {
        let (clock, session) = session();
        clock.advance(SECOND / 2);
        assert_eq!(session.prove(START + SECOND / 2, SECOND), Ok(START + SECOND * 3 / 2));
        assert_eq!(session.prove(START, SECOND), Ok(START + SECOND * 3 / 2));
    }

    #[test]
    fn a_proof_counts_from_before_it_was_asked_for_however_late_it_comes() {
        let (clock, session) = session();
        clock.advance(SECOND * 9 / 10);
        assert_eq!(session.prove(START + SECOND / 10, SECOND), Ok(START + SECOND * 11 / 10));
    }

    #[test]
    fn a_proof_that_comes_after_the_deadline_revives_nothing() {
        let (clock, session) = session();
        clock.advance(SECOND);
        assert_eq!(session.prove(START + SECOND, SECOND), Err(Loss::Unproven));
        assert_eq!(session.valid(), Err(Loss::Unproven));
    }

    #[test]
    fn a_suspend_of_an_hour_ends_it_at_the_first_look() {
        let (clock, session) = session();
        clock.advance(SECOND * 3600);
        assert_eq!(session.valid(), Err(Loss::Unproven));
    }

    #[test]
    fn the_first_reason_stays() {
        let (_clock, session) = session();
        session.end(Loss::SessionExpired);
        session.end(Loss::Closed);
        assert_eq!(session.valid(), Err(Loss::SessionExpired));
        assert_eq!(session.prove(START, SECOND * 9), Err(Loss::SessionExpired));
    }

    #[tokio::test]
    async fn ended_wakes_on_an_early_end_and_answers_at_once_afterwards() {
        let (_clock, session) = session();
        let waiting = tokio::spawn({
            let session = session.clone();
            async move { session.ended().await }
        });
        tokio::task::yield_now().await;
        session.end(Loss::SessionExpired);
        assert_eq!(waiting.await.unwrap(), Loss::SessionExpired);
        assert_eq!(session.ended().await, Loss::SessionExpired);
    }
}
