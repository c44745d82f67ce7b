//! What the tests of this crate have in common.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backend_zk::ZkCoordinator;
use election_core::{Candidate, Coordinator, Elector, LeaderEvent, LeaderEvents, Leadership};
use futures::StreamExt;
use testkit::zk::{Zk, ZkAdmin};
use tokio::time::timeout;

/// Longer than anything takes that works, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The root under which the tests' elections are.
pub const ROOT: &str = "/election";

pub async fn patiently<F: Future>(what: &str, future: F) -> F::Output {
    match timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

pub async fn connect(hosts: &str, timeout_ms: u64) -> Arc<ZkCoordinator> {
    let url = format!("zk://{hosts}?timeout={timeout_ms}ms");
    patiently("connecting", backend_zk::connect(&url)).await.unwrap()
}

pub fn candidate(id: &str) -> Candidate {
    Candidate::new(id).unwrap().with_value(format!("value of {id}").into_bytes()).unwrap()
}

/// Leads. On a machine that is too busy a session may be lost meanwhile: then again.
pub async fn campaign(elector: &Arc<dyn Elector>, id: &str) -> Leadership {
    patiently("campaigning", async {
        loop {
            match elector.campaign(candidate(id)).await {
                Err(error) if error.is_retryable() => println!("again: {error}"),
                outcome => return outcome.unwrap(),
            }
        }
    })
    .await
}

pub fn elector(coordinator: &ZkCoordinator, election: &str) -> Arc<dyn Elector> {
    coordinator.elector(election).unwrap()
}

pub async fn next(events: &mut LeaderEvents) -> LeaderEvent {
    patiently("an event", events.next()).await.expect("the stream goes on").unwrap()
}

/// The next event that names a leader.
pub async fn next_leader(events: &mut LeaderEvents) -> election_core::Leader {
    loop {
        if let LeaderEvent::Elected(leader) = next(events).await {
            return leader;
        }
    }
}

/// Waits until the election has that many records.
pub async fn records(admin: &ZkAdmin, election: &str, count: usize) -> Vec<testkit::Record> {
    let path = format!("{ROOT}/{election}");
    patiently(&format!("{count} records in {election}"), async {
        loop {
            let records = admin.records(&path).await.unwrap();
            if records.len() == count {
                return records;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

pub async fn single() -> Zk {
    patiently("starting ZooKeeper", Zk::single()).await.unwrap()
}

/// Ends a session as if it had expired. Its owner reconnects at once when the administrator takes it over, and may be
/// the quicker one: then again, until the servers say that there is no such session.
pub async fn expire(admin: &ZkAdmin, session: i64) {
    patiently("expiring a session", async {
        loop {
            match admin.expire(session).await {
                Err(error) if error.to_string().contains("ended already") => return,
                Ok(()) | Err(_) => {}
            }
        }
    })
    .await;
}
