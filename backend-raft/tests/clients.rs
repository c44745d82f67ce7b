//! Clients of a group of node processes: what they leave behind, and what they hear of.

mod common;

use std::time::Duration;

use common::{Cluster, PATIENCE, soon};

use backend_raft::{Place, RaftAdmin, Role};
use election_core::clock::Instant;
use election_core::{Candidate, Coordinator, ElectionName, Kind, LeaderEvent, Loss};
use futures::StreamExt;

/// Much longer than anything takes on an idle machine: these tests also pass on a busy one.
const TTL: Duration = Duration::from_secs(8);

fn candidate(name: &str) -> Candidate {
    Candidate::new(name).unwrap()
}

fn admin(cluster: &Cluster) -> RaftAdmin {
    RaftAdmin::new(&cluster.client_config()).unwrap()
}

/// Waits until the queue is as wanted.
async fn until(admin: &RaftAdmin, election: &ElectionName, wanted: impl Fn(&[Place]) -> bool) -> Vec<Place> {
    soon("the queue to be as wanted", async {
        loop {
            let queue = admin.queue(election).await.unwrap();
            if wanted(&queue) {
                return queue;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_campaigns_and_leaderships_leave_nothing() {
    let cluster = Cluster::start("profile=wan");
    let (client, admin) = (cluster.client(TTL).await, admin(&cluster));
    let election = ElectionName::new("e").unwrap();
    let elector = client.elector("e").unwrap();
    let held = soon("won", elector.campaign(candidate("held"))).await.unwrap();
    // Dropped at every kind of moment: before the first request is answered, and while waiting.
    for micros in [0, 1, 50, 200, 500, 1000, 2000, 5000, 20_000] {
        let campaign = elector.campaign(candidate("dropped"));
        tokio::time::timeout(Duration::from_micros(micros), campaign).await.unwrap_err();
    }
    let queue = until(&admin, &election, |queue| queue.len() == 1).await;
    assert_eq!(queue[0].token, Some(held.token()));
    // A drop needs no runtime.
    std::thread::spawn(move || drop(held)).join().unwrap();
    until(&admin, &election, <[Place]>::is_empty).await;
}

/// A token is the index of the entry that granted it, so tokens count what is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_one_entry_a_resign_is_one_and_a_handover_is_the_resign() {
    let cluster = Cluster::start("profile=wan");
    let (client, admin) = (cluster.client(TTL).await, admin(&cluster));
    let election = ElectionName::new("e").unwrap();
    let elector = client.elector("e").unwrap();
    let win = async |name| soon("won", elector.campaign(candidate(name))).await.unwrap();
    let first = win("first").await;
    let token = first.token().get();
    first.resign().await.unwrap();
    for _ in 0..100 {
        win("cycle").await.resign().await.unwrap();
    }
    let mut leader = win("leader").await;
    // Renewals of the session besides.
    let written = leader.token().get() - token;
    println!("{written} entries for 100 cycles");
    assert!((202..=215).contains(&written), "{written} entries for 100 cycles");

    let mut waiting = Vec::new();
    for i in 1..=20 {
        let elector = client.elector("e").unwrap();
        waiting.push(tokio::spawn(async move { elector.campaign(candidate("waits")).await }));
        until(&admin, &election, |queue| queue.len() == i + 1).await;
    }
    let first = leader.token().get();
    for waiter in waiting {
        leader.resign().await.unwrap();
        leader = soon("won", waiter).await.unwrap().unwrap();
    }
    // The campaigns were written before the first of the handovers, whose token is after them.
    let written = leader.token().get() - first;
    println!("{written} entries for 20 campaigns that wait and 20 handovers");
    assert!((40..=50).contains(&written), "{written} entries for 20 handovers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_an_administrator_removes_ends_its_leadership_or_its_campaign() {
    let cluster = Cluster::start("profile=wan");
    let (client, admin) = (cluster.client(TTL).await, admin(&cluster));
    let election = ElectionName::new("e").unwrap();
    let elector = client.elector("e").unwrap();
    let leader = soon("won", elector.campaign(candidate("leader"))).await.unwrap();
    let waiting = tokio::spawn({
        let elector = client.elector("e").unwrap();
        async move { elector.campaign(candidate("waiting")).await }
    });
    let queue = until(&admin, &election, |queue| queue.len() == 2).await;
    assert!(admin.remove(&election, &queue[1]).await.unwrap());
    let error = soon("the campaign to fail", waiting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::SessionLost, "{error}");
    let started = Instant::now();
    assert!(admin.remove(&election, &queue[0]).await.unwrap());
    assert!(!admin.remove(&election, &queue[0]).await.unwrap(), "it is gone");
    assert_eq!(soon("to be deposed", leader.lost()).await, Loss::Deposed);
    assert!(Instant::now().saturating_duration_since(started) < TTL / 2);
    assert_eq!(leader.resign().await.unwrap_err().kind(), Kind::NotLeader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_ended_at_the_service_takes_its_leaderships_along_and_is_replaced() {
    let cluster = Cluster::start("profile=wan");
    let (client, admin) = (cluster.client(TTL).await, admin(&cluster));
    let elector = client.elector("e").unwrap();
    let leadership = soon("won", elector.campaign(candidate("c"))).await.unwrap();
    let session = client.session_id().unwrap();
    assert!(admin.end_session(session).await.unwrap());
    assert_eq!(soon("to be lost", leadership.lost()).await, Loss::SessionExpired);
    let again = soon("won again", elector.campaign(candidate("c"))).await.unwrap();
    assert!(again.token() > leadership.token());
    assert_ne!(client.session_id().unwrap(), session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_outlives_the_handles_it_was_won_with() {
    let cluster = Cluster::start("profile=wan");
    let leadership = {
        let client = cluster.client(TTL).await;
        let elector = client.elector("e").unwrap();
        soon("won", elector.campaign(candidate("c"))).await.unwrap()
    };
    tokio::time::sleep(TTL + TTL / 4).await;
    leadership.check().unwrap();
    soon("resigned", leadership.resign()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raft_leader_that_hangs_delays_nobody_until_the_ttl_has_passed() {
    let mut cluster = Cluster::start("profile=wan");
    let (client, other) = (cluster.client(TTL).await, cluster.client(TTL).await);
    let mut events = other.elector("e").unwrap().observe();
    let leadership = soon("won", client.elector("e").unwrap().campaign(candidate("a"))).await.unwrap();
    let waiting = tokio::spawn({
        let elector = other.elector("e").unwrap();
        async move { elector.campaign(candidate("b")).await }
    });
    let election = ElectionName::new("e").unwrap();
    until(&admin(&cluster), &election, |queue| queue.len() == 2).await;
    let hanging = cluster.raft_leader();
    cluster.pause(hanging);
    let started = Instant::now();
    soon("resigned", leadership.resign()).await.unwrap();
    let next = soon("won", waiting).await.unwrap().unwrap();
    soon("the observer to see it", async {
        loop {
            if let LeaderEvent::Elected(leader) = events.next().await.unwrap().unwrap()
                && leader.token == next.token()
            {
                break;
            }
        }
    })
    .await;
    let took = Instant::now().saturating_duration_since(started);
    assert!(took < TTL, "{took:?}");
    cluster.resume(hanging);
    next.check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_says_that_the_group_is_gone_and_goes_on_when_it_is_back() {
    let mut cluster = Cluster::start("profile=wan");
    let client = cluster.client(TTL).await;
    let mut events = client.elector("e").unwrap().observe();
    assert_eq!(soon("vacant", events.next()).await.unwrap().unwrap(), LeaderEvent::Vacant);
    (1..=3).for_each(|id| cluster.kill(id));
    let gone = soon("disconnected", events.next()).await.unwrap().unwrap();
    assert!(matches!(gone, LeaderEvent::Disconnected { .. }), "{gone:?}");
    (1..=3).for_each(|id| cluster.start_node(id));
    assert_eq!(soon("vacant again", events.next()).await.unwrap().unwrap(), LeaderEvent::Vacant);
    soon("closed", client.close()).await.unwrap();
    let error = soon("the end", events.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Closed);
    assert!(events.next().await.is_none());
    assert_eq!(client.elector("e").unwrap().campaign(candidate("c")).await.unwrap_err().kind(), Kind::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_tells_how_it_is() {
    let mut cluster = Cluster::start("profile=wan");
    let leader = cluster.raft_leader();
    let dead = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(dead);
    let status = tokio::time::timeout(PATIENCE, admin(&cluster).status()).await.unwrap();
    assert!(status.is_healthy() && status.leader == Some(leader) && status.members.len() == 3, "{status:?}");
    for member in status.members {
        assert_eq!(member.role, Role::Voter);
        match member.state {
            Ok(state) => assert!(state.leader == Some(leader) && state.applied > 0 && member.id != dead),
            Err(_) => assert_eq!(member.id, dead),
        }
    }
}
