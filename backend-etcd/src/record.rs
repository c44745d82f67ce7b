//! [`Record`]: one candidacy's key in etcd, as this process knows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use election_core::{ElectionName, FencingToken, LeadershipHandle, Loss};
use tokio::sync::Notify;

/// A record that was created; shared by the candidacy, the session and the watch on it.
pub(crate) struct Record {
    pub(crate) election: ElectionName,
    pub(crate) key: Vec<u8>,
    /// Its create revision: never changes while the record lives, and is the token of its leadership.
    pub(crate) created: i64,
    place: Mutex<Place>,
    /// Set once the record is known to have vanished.
    gone: AtomicBool,
    vanished: Notify,
    /// Set once its candidacy or leadership has ended.
    over: AtomicBool,
    /// Set once a watch on it has begun.
    watched: AtomicBool,
    /// Set once it was elected.
    leader: OnceLock<LeadershipHandle>,
}

/// Where a record hangs; it changes with every swap of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lease: i64,
    /// Its modification revision. A move compares it, so that a late duplicate of an earlier move, which a
    /// network may deliver whenever it likes, changes nothing.
    pub(crate) modified: i64,
}

impl Record {
    pub(crate) fn new(election: ElectionName, key: Vec<u8>, created: i64, place: Place) -> Self {
        Self {
            election,
            key,
            created,
            place: Mutex::new(place),
            gone: AtomicBool::new(false),
            vanished: Notify::new(),
            over: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            leader: OnceLock::new(),
        }
    }

    /// Revisions are positive: etcd starts at 1.
    pub(crate) fn token(&self) -> FencingToken {
        FencingToken::new(self.created.unsigned_abs())
    }

    pub(crate) fn place(&self) -> Place {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_place(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// The record is known to be gone: the leader is deposed, a waiter learns it.
    pub(crate) fn mark_gone(&self) {
        self.gone.store(true, Ordering::SeqCst);
        if let Some(leader) = self.leader.get() {
            // A session that has ended is the reason, not what became of its records.
            if leader.check().is_ok() {
                leader.end(Loss::Deposed);
            }
        }
        self.vanished.notify_waiters();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Waits until the record is known to be gone; cancel safe.
    pub(crate) async fn gone(&self) {
        let vanished = self.vanished.notified();
        tokio::pin!(vanished);
        // Registered before the look, so that a loss between the two is not missed.
        vanished.as_mut().enable();
        if !self.is_gone() {
            vanished.await;
        }
    }

    /// From now on the loss of the record ends this leadership.
    pub(crate) fn set_leader(&self, handle: LeadershipHandle) {
        let handle = self.leader.get_or_init(|| handle);
        // The loss may have come between the verification and now.
        if self.is_gone() {
            handle.end(Loss::Deposed);
        }
    }

    /// Its candidacy or leadership has ended: nobody cares for the record any more. Whether it was watched.
    pub(crate) fn mark_over(&self) -> bool {
        self.over.store(true, Ordering::SeqCst);
        self.watched.load(Ordering::SeqCst)
    }

    /// A watch on it begins; `false` if it is not worth it any more. Of this and [`mark_over`](Self::mark_over)
    /// at the same time at least one sees the other.
    pub(crate) fn mark_watched(&self) -> bool {
        self.watched.store(true, Ordering::SeqCst);
        !self.over.load(Ordering::SeqCst)
    }

    /// Whether it was elected: then nobody was ahead of it, and nobody ever will be.
    pub(crate) fn has_led(&self) -> bool {
        self.leader.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use election_core::backend::SessionState;
    use election_core::clock::{BootClock, Clock};
    use election_core::{Candidate, Leadership};
    use std::sync::Arc;
    use std::time::Duration;

    fn record() -> Record {
        let election = ElectionName::new("billing").unwrap();
        Record::new(election, b"/election/billing/1".to_vec(), 7, Place { lease: 1, modified: 7 })
    }

    fn leadership(record: &Record) -> Leadership {
        let session = SessionState::new(Arc::new(BootClock), BootClock.now() + Duration::from_secs(60));
        let release = Box::new(|| tokio::sync::oneshot::channel().1);
        let candidate = Candidate::new("c").unwrap();
        Leadership::new(record.election.clone(), candidate, record.token(), session, release).unwrap()
    }

    #[test]
    fn a_leader_whose_record_vanishes_is_deposed() {
        let record = record();
        let leadership = leadership(&record);
        record.set_leader(leadership.handle());
        assert!(leadership.check().is_ok());
        record.mark_gone();
        assert_eq!(leadership.check(), Err(Loss::Deposed));
    }

    #[tokio::test]
    async fn a_record_that_vanished_before_the_win_deposes_at_once() {
        let record = record();
        record.mark_gone();
        record.gone().await;
        let leadership = leadership(&record);
        record.set_leader(leadership.handle());
        assert_eq!(leadership.check(), Err(Loss::Deposed));
    }
}
