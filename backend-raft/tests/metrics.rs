//! A member is scraped as Prometheus would, and its log is read as a person would.
#![cfg(feature = "prometheus")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::worker::Worker;
use common::{Cluster, Process, soon};
use election_core::{Candidate, Coordinator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The job of the process that is killed.
#[test]
fn a_worker() {
    common::worker::work();
}

/// Scrapes, and gives a metric's value; 0 if it is not there (yet).
async fn value(address: &str, metric: &str) -> f64 {
    let Ok(mut stream) = TcpStream::connect(address).await else { return 0.0 };
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// Waits until some member shows such a value.
async fn until(addresses: &[String], metric: &str, wanted: impl Fn(f64) -> bool) {
    soon(metric, async {
        loop {
            for address in addresses {
                if wanted(value(address, metric).await) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_scraped_and_a_takeover_is_read_from_its_log() {
    let mut cluster = Cluster::prepare("profile=wan&snapshot_every=50&keep_entries=10");
    let addresses = cluster.free_addresses(3);
    let start = |id: u64, metrics: &String| {
        let (url, log) = (cluster.url(id, &cluster.data(id)), cluster.dir.path().join(format!("{id}.log")));
        Process::run(Path::new(env!("CARGO_BIN_EXE_raft-node")), &["run", "--metrics", metrics, &url], log)
    };
    let nodes: Vec<_> = (1..).zip(&addresses).map(|(id, metrics)| start(id, metrics)).collect();
    nodes.iter().for_each(|node| assert!(node.ready() > 0));
    until(&addresses, "election_raft_serves", |serves| serves == 1.0).await;
    until(&addresses, "election_raft_voters", |voters| voters == 3.0).await;

    let url = format!("raft://{}?ttl=2s", cluster.members.join(","));
    let first = Worker::start(&url, &["e"], &cluster.dir.path().join("first.log"));
    first.wins();
    let waiting = cluster.client(Duration::from_secs(60)).await;
    let waits = tokio::spawn({
        let elector = waiting.elector("e").unwrap();
        let candidate = Candidate::new("second").unwrap().with_value(b"secret-value".to_vec()).unwrap();
        async move { elector.campaign(candidate).await }
    });
    for (metric, wanted) in [("sessions", 2.0), ("elections", 1.0), ("candidacies", 2.0)] {
        until(&addresses, &format!("election_raft_{metric}"), |found| found == wanted).await;
    }
    for metric in
        ["leaderships_total", "fsync_seconds_count", "quorum_round_seconds_count", "term", "log_entries"]
    {
        until(&addresses, &format!("election_raft_{metric}"), |found| found >= 1.0).await;
    }
    until(&addresses, "election_raft_client_connections", |found| found >= 2.0).await;
    until(&addresses, "election_raft_database_bytes", |found| found > 4096.0).await;

    first.kill();
    let next = soon("the other one", waits).await.unwrap().unwrap();
    let token = next.token();
    until(&addresses, "election_raft_sessions_ended_total{why=\"expired\"}", |found| found == 1.0).await;
    until(&addresses, "election_raft_sessions", |found| found == 1.0).await;
    for _ in 0..60 {
        let elector = waiting.elector("cycle").unwrap();
        let won = soon("won", elector.campaign(Candidate::new("c").unwrap())).await.unwrap();
        soon("resigned", won.resign()).await.unwrap();
    }
    until(&addresses, "election_raft_snapshot_index", |found| found >= 50.0).await;
    until(&addresses, "election_raft_snapshot_bytes", |found| found > 0.0).await;

    // What happened can be read in the order in which it did.
    let log = nodes.iter().map(Process::log).find(|log| log.contains("a session has ended")).unwrap();
    let log = strip_colours(&log);
    let story = [
        "this node is the Raft leader".to_owned(),
        "why=\"expired\"".to_owned(),
        format!("leader=\"second\" token={token}"),
        "a snapshot is on disk".to_owned(),
    ];
    let mut rest = log.as_str();
    for step in story {
        let at = rest.find(&step).unwrap_or_else(|| panic!("no {step:?} in what is left of the log:\n{log}"));
        rest = &rest[at..];
    }
    assert!(!log.contains("secret-value"), "a candidate's value is in the log");
}

fn strip_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}
