//! Renewals that fail half-way, on a real server.

use std::sync::Arc;
use std::time::Duration;

use election_core::backend::SessionState;
use election_core::clock::{BootClock, Clock};
use election_core::{ElectionName, Kind, Operation, Timing};
use testkit::etcd::{Etcd, EtcdAdmin};
use testkit::need::{self, Tool};

use super::keep_alive::KeepAlive;
use super::swap;
use crate::address::Address;
use crate::record::{Place, Record};
use crate::requests::{self, MAX_TXN_OPS};
use crate::servers::{Bound, Servers};
use crate::session::Session;

const TTL: Duration = Duration::from_secs(10);

/// A session with so many records, without a keeper.
struct Rig {
    etcd: Etcd,
    admin: EtcdAdmin,
    servers: Arc<Servers>,
    session: Arc<Session>,
    records: Vec<Arc<Record>>,
}

impl Rig {
    async fn new(count: usize) -> Option<Self> {
        if !need::has(Tool::Etcd) {
            return None;
        }
        let etcd = Etcd::single().await.unwrap();
        let address = Address::parse(&format!("etcd://{}", etcd.endpoints()[0])).unwrap();
        let servers = Arc::new(Servers::at(&address).await.unwrap());
        let granted = swap::grant(&servers, Operation::Connect, TTL, 10, || BootClock.now()).await.unwrap();
        let timing = Timing::for_ttl(TTL);
        let state = SessionState::new(Arc::new(BootClock), granted.sent + timing.validity());
        let session = Session::new(state, timing, granted.lease);
        let mut records = Vec::new();
        for i in 0..count {
            let key = format!("/election/billing/{i:04}").into_bytes();
            let request =
                (b"/election/billing/".as_slice(), key.as_slice(), b"value".as_slice(), granted.lease);
            let created = requests::create(&servers, Bound::once(TTL), request).await.unwrap();
            let election = ElectionName::new("billing").unwrap();
            let record = Arc::new(Record::new(election, key, created.created, created.place));
            assert!(session.settle(&record));
            records.push(record);
        }
        let admin = etcd.admin().await.unwrap();
        Some(Self { etcd, admin, servers, session, records })
    }

    async fn lease(&self) -> i64 {
        let granted = swap::grant(&self.servers, Operation::Renew, TTL, 10, || BootClock.now()).await;
        granted.unwrap().lease
    }

    /// The leases that the records are on, as etcd sees it.
    async fn leases_of_records(&self) -> Vec<i64> {
        let records = self.admin.records("/election/billing/").await.unwrap();
        let mut leases: Vec<i64> = records.iter().map(|record| record.session).collect();
        leases.sort_unstable();
        leases.dedup();
        leases
    }

    async fn leases(&self, count: usize) -> Vec<i64> {
        testkit::until("leases to be revoked", Duration::from_secs(5), || async {
            let leases = self.admin.leases().await?;
            Ok((leases.len() == count).then_some(leases))
        })
        .await
        .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_half_way_is_moved_by_the_next_renewal() {
    let Some(rig) = Rig::new(MAX_TXN_OPS * 2 + 44).await else { return };
    let deadline = rig.session.state.valid().unwrap();
    // One batch is moved, then the process has no time for the rest.
    let half = rig.lease().await;
    rig.session.switch(half);
    swap::move_all(&rig.servers, TTL, &rig.records[..MAX_TXN_OPS], half).await.unwrap();
    assert_eq!(rig.leases_of_records().await.len(), 2);
    assert_eq!(rig.session.strays().len(), MAX_TXN_OPS + 44);
    assert_eq!(rig.session.state.valid().unwrap(), deadline, "half a move proves nothing");
    swap::renew(&rig.servers, &rig.session, 10).await.unwrap();
    assert!(rig.session.state.valid().unwrap() > deadline);
    assert_eq!(rig.leases_of_records().await, [rig.session.lease().0]);
    assert_eq!(rig.leases(1).await, [rig.session.lease().0]);
    assert_eq!(rig.admin.records("/election/billing/").await.unwrap().len(), rig.records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_vanished_is_deposed_and_the_others_are_moved() {
    let Some(rig) = Rig::new(MAX_TXN_OPS + 10).await else { return };
    for gone in [3, MAX_TXN_OPS + 5] {
        assert!(rig.admin.delete(&format!("/election/billing/{gone:04}")).await.unwrap());
    }
    swap::renew(&rig.servers, &rig.session, 10).await.unwrap();
    for (place, record) in rig.records.iter().enumerate() {
        assert_eq!(record.is_gone(), place == 3 || place == MAX_TXN_OPS + 5, "{place}");
    }
    assert_eq!(rig.session.records().len(), MAX_TXN_OPS + 8);
    assert_eq!(rig.leases_of_records().await, [rig.session.lease().0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_and_a_late_duplicate_change_nothing() {
    let Some(rig) = Rig::new(3).await else { return };
    let places: Vec<Place> = rig.records.iter().map(|record| record.place()).collect();
    let second = rig.lease().await;
    rig.session.switch(second);
    swap::move_all(&rig.servers, TTL, &rig.records, second).await.unwrap();
    // The answer was lost: we still believe in the old places, and move again.
    for (record, place) in rig.records.iter().zip(&places) {
        record.set_place(*place);
    }
    swap::move_all(&rig.servers, TTL, &rig.records, second).await.unwrap();
    assert!(rig.records.iter().all(|record| record.place().lease == second && !record.is_gone()));
    let third = rig.lease().await;
    rig.session.switch(third);
    swap::move_all(&rig.servers, TTL, &rig.records, third).await.unwrap();
    // A duplicate of the first move arrives late: it must not bring the records back to the second lease, which
    // is about to be revoked.
    let late: Vec<Arc<Record>> = rig
        .records
        .iter()
        .zip(places)
        .map(|(record, place)| {
            Arc::new(Record::new(record.election.clone(), record.key.clone(), record.created, place))
        })
        .collect();
    swap::move_all(&rig.servers, TTL, &late, second).await.unwrap();
    assert_eq!(rig.leases_of_records().await, [third]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_lease_that_is_revoked_at_once_is_followed_by_another() {
    let Some(rig) = Rig::new(3).await else { return };
    let lease = rig.lease().await;
    rig.session.switch(lease);
    rig.admin.revoke(lease).await.unwrap();
    let error = swap::move_all(&rig.servers, TTL, &rig.records, lease).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SessionLost);
    swap::renew(&rig.servers, &rig.session, 10).await.unwrap();
    assert_eq!(rig.leases_of_records().await, [rig.session.lease().0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_in_the_middle_proves_nothing() {
    let Some(rig) = Rig::new(3).await else { return };
    let deadline = rig.session.state.valid().unwrap();
    rig.etcd.pause(0).unwrap();
    let renewal = tokio::time::timeout(Duration::from_secs(4), swap::renew(&rig.servers, &rig.session, 10));
    assert!(!matches!(renewal.await, Ok(Ok(()))));
    assert_eq!(rig.session.state.valid().unwrap(), deadline);
    rig.etcd.resume(0).unwrap();
    swap::renew(&rig.servers, &rig.session, 10).await.unwrap();
    assert!(rig.session.state.valid().unwrap() > deadline);
    // Whatever was granted meanwhile is revoked, or ends with its TTL; it holds nothing.
    assert_eq!(rig.leases_of_records().await, [rig.session.lease().0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keep_alive_that_compares_nothing_proves_nothing() {
    let Some(rig) = Rig::new(1).await else { return };
    let mut keep_alive = KeepAlive::new();
    let granted = rig.session.state.valid().unwrap();
    keep_alive.renew(&rig.servers, &rig.session).await.unwrap();
    let proven = rig.session.state.valid().unwrap();
    assert!(proven > granted);
    // As if the last record left while the keep-alive is under way.
    rig.session.leave(&rig.records[0]);
    let error = keep_alive.renew(&rig.servers, &rig.session).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(rig.session.state.valid().unwrap(), proven);
}
