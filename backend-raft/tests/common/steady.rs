//! A leadership that must not be lost, whatever else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backend_raft::RaftCoordinator;
use election_core::{Candidate, Coordinator, Leadership};
use tokio::task::JoinHandle;

use super::{Cluster, soon};

/// Held while bad things happen; checked all the time.
pub(crate) struct Steady {
    leadership: Leadership,
    /// It owns the session.
    _client: RaftCoordinator,
    checks: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    checking: JoinHandle<()>,
    offices: usize,
}

/// How often any node became the Raft leader.
pub(crate) fn offices(cluster: &Cluster) -> usize {
    let log =
        |id| std::fs::read_to_string(cluster.dir.path().join(format!("node-{id}.log"))).unwrap_or_default();
    (1..=9).map(|id| log(id).matches("this node is the Raft leader").count()).sum()
}

impl Steady {
    /// Leads the election `steady` through `client`.
    pub(crate) async fn lead(cluster: &Cluster, client: RaftCoordinator) -> Self {
        let elector = client.elector("steady").unwrap();
        let leadership = soon("to lead", elector.campaign(Candidate::new("steady").unwrap())).await.unwrap();
        let (checks, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let handle = leadership.handle();
        let (counting, stopping) = (checks.clone(), stop.clone());
        let checking = tokio::spawn(async move {
            while !stopping.load(Ordering::SeqCst) {
                handle.check().expect("the leadership was lost");
                counting.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { leadership, _client: client, checks, stop, checking, offices: offices(cluster) }
    }

    /// Makes sure that it was valid all the time, and that the group kept its Raft leader.
    pub(crate) async fn held(self, cluster: &Cluster) {
        self.stop.store(true, Ordering::SeqCst);
        self.checking.await.unwrap();
        assert!(self.checks.load(Ordering::SeqCst) > 0);
        self.leadership.check().unwrap();
        assert_eq!(offices(cluster), self.offices, "the group has changed its Raft leader");
        soon("to resign", self.leadership.resign()).await.unwrap();
    }
}
