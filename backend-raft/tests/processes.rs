//! Three nodes in processes of their own, and clients in this one.

mod common;

use std::time::Duration;

use common::changing::fails;
use common::{Cluster, PATIENCE, soon};

use backend_raft::{RaftConfig, RaftCoordinator};
use election_core::clock::Instant;
use election_core::{Candidate, Coordinator, Elector, Kind, LeaderEvent, Leadership};
use futures::StreamExt;

/// Much longer than anything takes on an idle machine, a Raft election included: these tests also pass on a
/// busy one.
const TTL: Duration = Duration::from_secs(8);

fn candidate(name: &str) -> Candidate {
    Candidate::new(name).unwrap()
}

/// Campaigns until elected, as `lead` does.
async fn win(elector: &dyn Elector, name: &str) -> Leadership {
    soon("to be elected", async {
        loop {
            match elector.campaign(candidate(name)).await {
                Ok(leadership) => return leadership,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_lead_one_after_the_other_and_an_observer_sees_it() {
    let cluster = Cluster::start("profile=wan");
    let (one, other) = (cluster.client(TTL).await, cluster.client(TTL).await);
    let mut events = one.elector("billing").unwrap().observe();
    assert_eq!(soon("the present state", events.next()).await.unwrap().unwrap(), LeaderEvent::Vacant);
    let value = candidate("one").with_value(vec![0, 255, 7]).unwrap();
    let first = soon("won", one.elector("billing").unwrap().campaign(value)).await.unwrap();
    let event = soon("elected", events.next()).await.unwrap().unwrap();
    let leader = event.leader().unwrap();
    assert_eq!(
        (leader.id.as_str(), &leader.value[..], leader.token),
        ("one", &[0, 255, 7][..], first.token())
    );
    let elector = other.elector("billing").unwrap();
    let waiting = tokio::spawn(async move { elector.campaign(candidate("other")).await });
    // Renewed many times over while the other waits.
    tokio::time::sleep(TTL + TTL / 4).await;
    first.check().unwrap();
    assert!(!waiting.is_finished());
    let token = first.token();
    soon("resigned", first.resign()).await.unwrap();
    let second = soon("the other", waiting).await.unwrap().unwrap();
    assert!(second.token() > token);
    let seen = soon("the new leader", async {
        loop {
            match events.next().await.unwrap().unwrap() {
                LeaderEvent::Elected(leader) if leader.id == "other" => return leader,
                _ => {}
            }
        }
    });
    assert_eq!(seen.await.token, second.token());
    one.close().await.unwrap();
    drop(second);
    other.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_survives_the_crash_of_the_raft_leader() {
    let mut cluster = Cluster::start("profile=wan");
    let client = cluster.client(TTL).await;
    let elector = client.elector("e").unwrap();
    let leadership = win(&*elector, "c").await;
    let raft_leader = cluster.raft_leader();
    cluster.kill(raft_leader);
    // Beyond the TTL of the last renewal before the crash: it was renewed by the new Raft leader.
    tokio::time::sleep(TTL + TTL / 2).await;
    leadership.check().unwrap();
    let token = leadership.token();
    soon("resigned", leadership.resign()).await.unwrap();
    let again = win(&*elector, "c").await;
    assert!(again.token() > token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_of_everything_the_state_is_recovered_from_disk() {
    let mut cluster = Cluster::start("profile=wan");
    let client = cluster.client(TTL).await;
    let elector = client.elector("e").unwrap();
    let leadership = win(&*elector, "c").await;
    let token = leadership.token();
    (1..=3).for_each(|id| cluster.kill(id));
    (1..=3).for_each(|id| cluster.start_node(id));
    (1..=3).for_each(|id| assert!(cluster.node(id).ready() > 0));
    // The record outlived every process: whoever campaigns now waits behind it, and gets a larger token.
    let other = cluster.client(TTL).await;
    let mut events = other.elector("e").unwrap().observe();
    let seen = soon("the recovered record", async {
        loop {
            if let LeaderEvent::Elected(leader) = events.next().await.unwrap().unwrap() {
                return leader;
            }
        }
    });
    assert_eq!(seen.await.token, token);
    drop(leadership);
    let next = win(&*other.elector("e").unwrap(), "d").await;
    assert!(next.token() > token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_of_the_raft_leader_costs_no_leadership() {
    let mut cluster = Cluster::start("profile=wan");
    let client = cluster.client(TTL).await;
    let leadership = win(&*client.elector("e").unwrap(), "c").await;
    for _ in 0..3 {
        let raft_leader = cluster.raft_leader();
        assert!(cluster.terminate(raft_leader).success());
        cluster.start_node(raft_leader);
        cluster.node(raft_leader).ready();
        leadership.check().unwrap();
    }
    tokio::time::sleep(TTL + TTL / 4).await;
    leadership.check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_keep_the_disk_bounded_and_bring_a_late_node_up() {
    let mut cluster = Cluster::start("profile=wan&snapshot_every=200&keep_entries=20");
    let client = cluster.client(TTL).await;
    let late = (1..=3).find(|id| *id != cluster.raft_leader()).unwrap();
    cycles(&client, 100).await;
    cluster.kill(late);
    cycles(&client, 1000).await;
    let size = |cluster: &Cluster, id| -> u64 {
        let entries = std::fs::read_dir(cluster.data(id)).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let leader = cluster.raft_leader();
    let before = size(&cluster, leader);
    cycles(&client, 1000).await;
    let after = size(&cluster, leader);
    assert!(after <= before * 2, "{before} bytes grew to {after}");
    let held = win(&*client.elector("held").unwrap(), "c").await;
    cluster.start_node(late);
    cluster.node(late).ready();
    // Without the snapshot it knows nothing of the last entries: with one of the others gone the group needs
    // it, and it must know who leads.
    let other = (1..=3).find(|id| *id != cluster.raft_leader() && *id != late).unwrap();
    cluster.kill(other);
    let next = win(&*client.elector("next").unwrap(), "c").await;
    assert!(next.token() > held.token());
    held.check().unwrap();
    assert!(cluster.data(late).join("snapshot").exists());
}

async fn cycles(client: &RaftCoordinator, count: usize) {
    let tasks: Vec<_> = (0..10)
        .map(|place| {
            let elector = client.elector(&format!("cycle-{place}")).unwrap();
            tokio::spawn(async move {
                for _ in 0..count / 10 {
                    let leadership = elector.campaign(candidate("c")).await.unwrap();
                    leadership.resign().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        soon("some cycles", task).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_cluster_is_refused_at_once() {
    let cluster = Cluster::start("profile=wan&cluster=right");
    let mut config = cluster.client_config();
    config.cluster = "wrong".into();
    config.patience = PATIENCE;
    let started = Instant::now();
    let error = RaftCoordinator::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("belongs to cluster \"right\", not \"wrong\""), "{error}");
    assert!(Instant::now().saturating_duration_since(started) < PATIENCE / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_lists_the_members_in_another_order_is_told_so() {
    let cluster = Cluster::start("profile=wan");
    let mut config = cluster.client_config();
    config.members.reverse();
    config.members.swap(0, 1);
    let error = RaftCoordinator::connect(config).await.unwrap_err();
    assert!(error.to_string().contains("list the members in the same order"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nobody_reachable_a_client_gets_a_retryable_error_in_bounded_time() {
    let nobody = Cluster::prepare("profile=wan");
    let members = &nobody.members;
    let mut config = RaftConfig::new(members.clone());
    config.patience = Duration::from_millis(500);
    let started = Instant::now();
    let error = RaftCoordinator::connect(config).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains(&members[0]), "{error}");
    assert!(Instant::now().saturating_duration_since(started) < Duration::from_secs(2));
}

#[test]
fn a_data_directory_of_another_node_or_cluster_ends_the_process_with_its_own_error() {
    let mut cluster = Cluster::start("profile=wan");
    cluster.terminate(1);
    let url = cluster.url(1, &cluster.data(2));
    fails(&cluster, &url, "in use by another process");
    cluster.terminate(2);
    fails(&cluster, &url, "belongs to node 2, not 1");
    let url = format!("{}&cluster=other", cluster.url(2, &cluster.data(2)));
    fails(&cluster, &url, "belongs to cluster \"election\", not \"other\"");
}

#[test]
fn a_wiped_node_and_a_second_node_of_one_id_are_refused() {
    let mut cluster = Cluster::start("profile=wan");
    // Wiped: the same id, an empty directory.
    cluster.terminate(3);
    let empty = cluster.dir.path().join("empty");
    fails(&cluster, &cluster.url(3, &empty), "seen before with another data directory");
    // Twice at once: the real node 3 is up, and another one listens elsewhere under its id.
    cluster.start_node(3);
    cluster.node(3).ready();
    let elsewhere = cluster.free_address();
    let url = format!("{}&listen={elsewhere}", cluster.url(3, &cluster.dir.path().join("twin")));
    fails(&cluster, &url, "seen before with another data directory");
    // And a port in use is its own error.
    fails(&cluster, &cluster.url(3, &cluster.dir.path().join("twin")), "cannot listen on");
}

#[test]
fn a_group_is_formed_in_any_order_with_one_missing_and_by_repeated_starts() {
    let mut cluster = Cluster::prepare("profile=wan");
    cluster.start_node(3);
    std::thread::sleep(Duration::from_millis(200));
    cluster.kill(3);
    cluster.start_node(3);
    cluster.start_node(1);
    assert!([1, 3].contains(&cluster.node(1).ready()));
    cluster.node(3).ready();
    cluster.start_node(2);
    cluster.node(2).ready();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_who_is_waited_for_who_does_not_answer_and_when_it_does_again() {
    let mut cluster = Cluster::prepare("profile=wan");
    cluster.start_node(1);
    cluster.logs_somewhere("waiting to form the group: 1 of its 3 members are there").await;
    [2, 3].into_iter().for_each(|id| cluster.start_node(id));
    assert!([1, 2, 3].map(|id| cluster.node(id).ready()).into_iter().all(|leader| leader > 0));
    let leader = cluster.raft_leader();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(follower);
    cluster.logs_somewhere("a member does not answer the Raft leader").await;
    cluster.start_node(follower);
    cluster.logs_somewhere("a member answers the Raft leader again").await;
}

/// The Raft leader that is left alone goes on talking to its clients. Without a quorum it proves nothing to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raft_leader_without_a_quorum_renews_nobody() {
    let mut cluster = Cluster::start("profile=default");
    let ttl = Duration::from_secs(2);
    let client = cluster.client(ttl).await;
    let leadership = win(&*client.elector("alone").unwrap(), "a").await;
    leadership.check().unwrap();
    let raft_leader = cluster.raft_leader();
    (1..=3).filter(|id| *id != raft_leader).for_each(|id| cluster.pause(id));
    let paused = Instant::now();
    soon("the loss", leadership.lost()).await;
    // What was proven before they were paused counts to its end, and nothing was proven since.
    assert!(Instant::now().saturating_duration_since(paused) <= ttl);
    (1..=3).filter(|id| *id != raft_leader).for_each(|id| cluster.resume(id));
    win(&*client.elector("alone").unwrap(), "a").await.check().unwrap();
}
