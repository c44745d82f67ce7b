//! [`Session`]: the records that hang on one liveness bond, and the lease that holds them at present.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use election_core::Timing;
use election_core::backend::SessionState;

use crate::record::Record;

/// An etcd lease of this session. Whoever sends a request that names it holds a clone until the answer.
#[derive(Debug)]
pub(crate) struct Lease(pub(crate) i64);

/// One session: the deadline, and what hangs on it. The keeper owns and renews it, candidacies join and leave.
pub(crate) struct Session {
    pub(crate) state: Arc<SessionState>,
    /// For the TTL that the server granted.
    pub(crate) timing: Timing,
    inner: Mutex<Inner>,
}

struct Inner {
    open: bool,
    lease: Arc<Lease>,
    /// Leases of the past that are not revoked yet.
    retired: Vec<Arc<Lease>>,
    /// By create revision. Every one of them is on `lease`, or in the snapshot of the swap that moves it there:
    /// [`Session::settle`] and [`Session::switch`] see to that under one lock.
    records: HashMap<i64, Arc<Record>>,
    /// Candidacies on their way in or out.
    moving: usize,
    /// A request that names the lease may take effect at any time: replace the lease, so that it cannot.
    poisoned: bool,
}

impl Session {
    pub(crate) fn new(state: Arc<SessionState>, timing: Timing, lease: i64) -> Arc<Self> {
        let inner = Inner {
            open: true,
            lease: Arc::new(Lease(lease)),
            retired: Vec::new(),
            records: HashMap::new(),
            moving: 0,
            poisoned: false,
        };
        Arc::new(Self { state, timing, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a candidacy: while it is on its way in, the session is not idle. `None` if it has ended.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Passage> {
        let mut inner = self.inner();
        if !inner.open || self.state.valid().is_err() {
            return None;
        }
        inner.moving += 1;
        Some(Passage { session: self.clone() })
    }

    /// The lease that holds the records at present.
    pub(crate) fn lease(&self) -> Arc<Lease> {
        self.inner().lease.clone()
    }

    /// Takes a record in, if it is on the present lease. Else its creator must move it there and ask again: the
    /// deadline rests on the records that are in, so none of them may be on a lease that was given up.
    pub(crate) fn settle(&self, record: &Arc<Record>) -> bool {
        let mut inner = self.inner();
        let settled = record.place().lease == inner.lease.0;
        if settled {
            inner.records.insert(record.created, record.clone());
        }
        settled
    }

    /// Forgets a record that has vanished.
    pub(crate) fn leave(&self, record: &Record) {
        self.inner().records.remove(&record.created);
    }

    /// Lets go of a record that is going to be removed: it is not moved any more, but until its removal is over
    /// the session is not idle, as its end would remove the record first, and the resign would not know whose
    /// doing that was.
    pub(crate) fn depart(self: &Arc<Self>, record: &Record) -> Passage {
        let mut inner = self.inner();
        inner.records.remove(&record.created);
        inner.moving += 1;
        Passage { session: self.clone() }
    }

    /// Whether a record on `lease` may have been removed by our own revocation of that lease.
    pub(crate) fn may_have_revoked(&self, lease: i64) -> bool {
        let inner = self.inner();
        !inner.open || inner.lease.0 != lease
    }

    /// The record with this create revision, if it is one of ours.
    pub(crate) fn record(&self, created: i64) -> Option<Arc<Record>> {
        self.inner().records.get(&created).cloned()
    }

    pub(crate) fn records(&self) -> Vec<Arc<Record>> {
        self.inner().records.values().cloned().collect()
    }

    /// Makes `lease` the present one: later candidacies begin with it. Those that are in must be moved.
    pub(crate) fn switch(&self, lease: i64) {
        let mut inner = self.inner();
        let old = std::mem::replace(&mut inner.lease, Arc::new(Lease(lease)));
        inner.retired.push(old);
        inner.poisoned = false;
    }

    /// The records that are not on the present lease.
    pub(crate) fn strays(&self) -> Vec<Arc<Record>> {
        let inner = self.inner();
        let stray = |record: &&Arc<Record>| record.place().lease != inner.lease.0;
        inner.records.values().filter(stray).cloned().collect()
    }

    /// Leases of the past that no request in flight names: revoking them harms nobody.
    pub(crate) fn disused(&self) -> Vec<i64> {
        let mut inner = self.inner();
        // No clone can be taken from a retired lease, so a count of one stays one.
        let (unused, used) = inner.retired.drain(..).partition(|lease| Arc::strong_count(lease) == 1);
        inner.retired = used;
        let unused: Vec<Arc<Lease>> = unused;
        unused.iter().map(|lease| lease.0).collect()
    }

    /// A request that names the lease has an unknown outcome: the next renewal replaces the lease.
    pub(crate) fn poison(&self) {
        self.inner().poisoned = true;
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.inner().poisoned
    }

    /// Closes the session to later candidacies if there is none at present.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut inner = self.inner();
        if inner.moving == 0 && inner.records.is_empty() {
            inner.open = false;
        }
        !inner.open
    }

    /// Closes it for good and hands over all leases, to be revoked.
    pub(crate) fn close(&self) -> Vec<i64> {
        let mut inner = self.inner();
        inner.open = false;
        let present = inner.lease.0;
        inner.retired.drain(..).map(|lease| lease.0).chain([present]).collect()
    }

    /// How long a request may take before it is given up and sent again.
    pub(crate) fn attempt(&self) -> Duration {
        self.timing.attempt_timeout
    }
}

/// A candidacy on its way in or out; dropped when it is there.
pub(crate) struct Passage {
    session: Arc<Session>,
}

impl Passage {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.session.inner().moving -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Place;
    use election_core::ElectionName;
    use election_core::clock::{BootClock, Clock};

    fn session() -> Arc<Session> {
        let ttl = Duration::from_secs(60);
        let state = SessionState::new(Arc::new(BootClock), BootClock.now() + ttl);
        Session::new(state, Timing::for_ttl(ttl), 1)
    }

    fn record(created: i64, lease: i64) -> Arc<Record> {
        let election = ElectionName::new("billing").unwrap();
        Arc::new(Record::new(election, vec![], created, Place { lease, modified: created }))
    }

    #[test]
    fn a_record_on_a_lease_of_the_past_is_not_taken_in() {
        let session = session();
        let early = record(5, 1);
        assert!(session.settle(&early));
        session.switch(2);
        let late = record(6, 1);
        assert!(!session.settle(&late));
        assert_eq!(session.strays().len(), 1);
        for moved in [&early, &late] {
            moved.set_place(Place { lease: 2, modified: 7 });
        }
        assert!(session.settle(&late));
        assert!(session.strays().is_empty());
    }

    #[test]
    fn a_lease_is_disused_only_when_no_request_names_it() {
        let session = session();
        let in_flight = session.lease();
        session.switch(2);
        assert!(session.disused().is_empty());
        drop(in_flight);
        assert_eq!(session.disused(), [1]);
        assert!(session.disused().is_empty());
    }

    #[test]
    fn it_is_idle_only_when_nothing_is_in_nor_on_its_way() {
        let session = session();
        let entry = session.enter().unwrap();
        assert!(!session.close_if_idle());
        let record = record(5, 1);
        assert!(session.settle(&record));
        drop(entry);
        assert!(!session.close_if_idle());
        let exit = session.depart(&record);
        assert!(!session.close_if_idle());
        drop(exit);
        assert!(session.close_if_idle());
        assert!(session.enter().is_none());
    }
}
