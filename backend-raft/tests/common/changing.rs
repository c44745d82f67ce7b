//! What tests of changing members share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backend_raft::{RaftAdmin, Role, Transport};
use election_core::{Candidate, Coordinator};
use tokio::task::JoinHandle;

use super::{Cluster, secured, soon};

/// Much longer than anything takes on an idle machine: these tests also pass on a busy one.
pub(crate) const TTL: Duration = Duration::from_secs(8);

/// A candidate.
pub(crate) fn candidate(name: &str) -> Candidate {
    Candidate::new(name).unwrap()
}

/// An administrator of the group.
pub(crate) fn admin(cluster: &Cluster) -> RaftAdmin {
    let config = cluster.client_config();
    let config = match &config.transport {
        Transport::Tls(_) => secured(config, &cluster.authority().admin("ops", "election")),
        _ => config,
    };
    RaftAdmin::new(&config).unwrap()
}

/// Waits until a node has a role, or none.
pub(crate) async fn until_it_is(admin: &RaftAdmin, node: u64, role: Option<Role>) {
    soon("the role", async {
        loop {
            let status = admin.status().await;
            let found = status.members.iter().find(|member| member.id == node).map(|member| member.role);
            if found.filter(|role| *role != Role::Listed) == role && status.is_healthy() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Removes a member; asks again, as it is told to, while another change is under way. A node that joined asks for itself
/// once more if the Raft leader died before it answered.
pub(crate) async fn removed(admin: &RaftAdmin, node: u64) -> Vec<(u64, String)> {
    soon("removed", async {
        loop {
            match admin.remove_member(node, false).await {
                Err(error) if error.to_string().contains("ask again when it is done") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answer => return answer.unwrap(),
            }
        }
    })
    .await
}

/// Runs a node that must fail, and checks what it says.
pub(crate) fn fails(cluster: &Cluster, url: &str, says: &str) {
    let mut process = cluster.start_url(url, "failing.log");
    let status = process.wait();
    let log = process.log();
    std::fs::remove_file(cluster.dir.path().join("failing.log")).unwrap();
    assert!(!status.success());
    assert!(log.contains("raft-node: raft: connect:") && log.contains(says), "no {says:?} in:\n{log}");
}

/// Waits until a node listens.
pub(crate) async fn until_it_listens(address: &str) {
    soon("the node to listen", async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Two processes' worth of workers that contend for one election: each wins, checks, and resigns, again and again. No
/// two of them ever hold it at once.
pub(crate) struct Contest {
    stop: Arc<AtomicBool>,
    won: Arc<AtomicU64>,
    workers: Vec<JoinHandle<()>>,
}

impl Contest {
    /// See [`Contest`].
    pub(crate) async fn begin(cluster: &Cluster) -> Self {
        let (stop, won, held) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let last = Arc::new(AtomicU64::new(0));
        let mut workers = Vec::new();
        for place in 0..4 {
            let client = cluster.client(TTL).await;
            let (stop, won, held, last) = (stop.clone(), won.clone(), held.clone(), last.clone());
            workers.push(tokio::spawn(async move {
                let elector = client.elector("contest").unwrap();
                while !stop.load(Ordering::SeqCst) {
                    let leadership = match elector.campaign(candidate(&format!("w{place}"))).await {
                        Ok(leadership) => leadership,
                        Err(error) if error.is_retryable() => continue,
                        Err(error) => panic!("{error}"),
                    };
                    if leadership.check().is_ok() {
                        assert!(!held.swap(true, Ordering::SeqCst), "two lead at once");
                        let token = leadership.token().get();
                        assert!(
                            last.swap(token, Ordering::SeqCst) < token,
                            "a token is not larger than the last"
                        );
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        held.store(false, Ordering::SeqCst);
                        won.fetch_add(1, Ordering::SeqCst);
                    }
                    leadership.resign().await.ok();
                }
            }));
        }
        Self { stop, won, workers }
    }

    /// Waits until it was won some more times.
    pub(crate) async fn goes_on(&self) {
        let from = self.won.load(Ordering::SeqCst);
        soon("the contest to go on", async {
            while self.won.load(Ordering::SeqCst) < from + 20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        self.goes_on().await;
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            soon("a worker to end", worker).await.unwrap();
        }
    }
}
