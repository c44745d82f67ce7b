//! What a session and an election take. The figures in the README come from
//!
//! ```text
//! SESSIONS=200 ELECTIONS=2000 cargo test -p backend-raft --test sizing -- --nocapture
//! ```

mod common;

use std::time::Duration;

use backend_raft::{RaftConfig, RaftCoordinator};
use common::{Cluster, proc_field, soon};
use election_core::clock::Instant;
use election_core::{Candidate, Coordinator, Leadership};
use futures::StreamExt;

fn number(name: &str, usual: usize) -> usize {
    text(name, &usual.to_string()).parse().unwrap()
}

fn text(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

/// Leads an election. Nothing here is about how fast this machine is.
async fn lead(client: &RaftCoordinator, election: &str) -> Leadership {
    let elector = client.elector(election).unwrap();
    loop {
        match elector.campaign(Candidate::new("worker-1").unwrap()).await {
            Ok(leadership) => return leadership,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

/// What a process takes: resident memory in KiB, processor time in ticks of 10 ms, bytes that it caused to be written.
fn taken(pid: u32) -> (u64, u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let stat: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |place: usize| stat[place].parse::<u64>().unwrap();
    let field = |file, name| proc_field(pid, file, name);
    (field("status", "VmRSS:"), ticks(11) + ticks(12), field("io", "write_bytes:"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_elections_take_little() {
    let (sessions, elections) = (number("SESSIONS", 20), number("ELECTIONS", 200));
    let mut cluster = Cluster::start(&format!("profile={}&snapshot_every=1000", text("PROFILE", "wan")));
    let leader = cluster.raft_leader();
    let pid = cluster.node(leader).pid();
    let start = taken(pid);
    let config = RaftConfig::new(cluster.members.clone()).with_ttl(Duration::from_secs(60));
    let clients = futures::stream::iter(0..sessions)
        .map(|_| RaftCoordinator::connect(RaftConfig::clone(&config)))
        .buffer_unordered(50);
    let clients: Vec<_> = soon("sessions", clients.collect::<Vec<_>>()).await;
    let clients: Vec<RaftCoordinator> = clients.into_iter().map(Result::unwrap).collect();
    let opened = taken(pid);
    println!(
        "{sessions} sessions: {} KiB each at the Raft leader",
        (opened.0 - start.0.min(opened.0)) / sessions as u64
    );

    let begun = Instant::now();
    let held = futures::stream::iter(0..elections);
    let held = held.map(|i| (&clients[i % sessions], format!("election-{i}")));
    let held = held.map(|(client, election)| async move { lead(client, &election).await });
    let held: Vec<_> = soon("leaderships", held.buffer_unordered(64).collect::<Vec<_>>()).await;
    let took = Instant::now().saturating_duration_since(begun);
    let led = taken(pid);
    let memory = (led.0 - opened.0.min(led.0)) * 1024 / elections as u64;
    println!(
        "{elections} elections in {took:.1?}: {memory} B of memory each, {} B written each",
        (led.2 - opened.2) / elections as u64
    );

    // More, until there is a snapshot of all of them.
    let snapshot = cluster.data(leader).join("snapshot");
    let size = loop {
        for _ in 0..100 {
            soon("a cycle", lead(&clients[0], "cycle")).await.resign().await.ok();
        }
        let found = std::fs::metadata(&snapshot).map_or(0, |found| found.len());
        if found > 40 * elections as u64 {
            break found;
        }
    };
    let log = std::fs::metadata(cluster.data(leader).join("raft.redb")).unwrap().len();
    println!("snapshot {size} B, {} B per election; log and vote {log} B", size / elections as u64);
    let idle = taken(pid);
    tokio::time::sleep(Duration::from_secs(number("IDLE_SECONDS", 1) as u64)).await;
    let then = taken(pid);
    println!("idle: {} ms of processor and {} B written", (then.1 - idle.1) * 10, then.2 - idle.2);
    // Its name, its candidate, its place: and nothing that grows with what has been.
    assert!(size / (elections as u64) < 250, "{size} B");
    assert_eq!(held.len(), elections);
}
