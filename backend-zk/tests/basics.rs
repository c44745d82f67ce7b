//! One server with usual settings: who leads, who waits, and what is left behind.

mod common;

use std::time::Duration;

use common::{campaign, candidate, connect, elector, next, next_leader, patiently, records, single};
use election_core::{Coordinator, Kind, LeaderEvent, Loss};
use testkit::need::{self, Tool};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_lead_in_the_order_of_arrival_with_growing_tokens() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 4000).await;
    let elector = elector(&coordinator, "order");
    let first = campaign(&elector, "a").await;
    assert_eq!(first.check(), Ok(first.token()));
    let admin = zk.admin().await.unwrap();
    let mut waiting = Vec::new();
    for (i, id) in ["b", "c", "d"].into_iter().enumerate() {
        let elector = elector.clone();
        waiting.push(tokio::spawn(async move { campaign(&elector, id).await }));
        records(&admin, "order", i + 2).await;
    }
    let mut leader = first;
    for waiter in waiting {
        assert!(!waiter.is_finished());
        let token = leader.token();
        let resigned = leader.handle();
        patiently("resigning", leader.resign()).await.unwrap();
        assert_eq!(resigned.check(), Err(Loss::Closed));
        leader = patiently("the next leader", waiter).await.unwrap();
        assert!(leader.token() > token);
        leader.check().unwrap();
    }
    drop(leader);
    records(&admin, "order", 0).await;
    coordinator.close().await.unwrap();
    coordinator.close().await.unwrap();
    let error = elector.campaign(candidate("late")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Closed, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_see_the_present_state_and_every_newest_one() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 4000).await;
    let elector = elector(&coordinator, "seen");
    // The election's znode does not exist yet.
    let mut events = elector.observe();
    assert_eq!(next(&mut events).await, LeaderEvent::Vacant);
    let leader = campaign(&elector, "a").await;
    let seen = next_leader(&mut events).await;
    assert_eq!(
        (seen.id.as_str(), seen.value.as_ref(), seen.token),
        ("a", &b"value of a"[..], leader.token())
    );
    // One that begins now is told at once.
    let mut later = elector.observe();
    assert_eq!(next(&mut later).await, LeaderEvent::Elected(seen));
    leader.resign().await.unwrap();
    for events in [&mut events, &mut later] {
        assert_eq!(next(events).await, LeaderEvent::Vacant);
    }
    let second = campaign(&elector, "b").await;
    for events in [&mut events, &mut later] {
        assert_eq!(next_leader(events).await.token, second.token());
    }
    let mut closed = elector.observe();
    assert!(matches!(next(&mut closed).await, LeaderEvent::Elected(_)));
    coordinator.close().await.unwrap();
    let error = patiently("the end", async {
        use futures::StreamExt;
        loop {
            if let Err(error) = closed.next().await.expect("an error comes before the end") {
                return error;
            }
        }
    })
    .await;
    assert_eq!(error.kind(), Kind::Closed, "{error}");
    assert_eq!(second.check(), Err(Loss::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_outlives_many_timeouts() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = testkit::zk::Zk::start(testkit::zk::ZkOptions::new().fast()).await.unwrap();
    let coordinator = connect(&zk.authority(), 1000).await;
    let leader = campaign(&elector(&coordinator, "long"), "a").await;
    let lost = tokio::time::timeout(Duration::from_secs(4), leader.lost()).await;
    assert!(lost.is_err(), "{lost:?}");
    leader.resign().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_outlives_the_handles_it_was_won_with() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let timeout = Duration::from_secs(4);
    let leadership = {
        let coordinator = connect(&zk.authority(), 4000).await;
        campaign(&elector(&coordinator, "alone"), "a").await
    };
    tokio::time::sleep(timeout + timeout / 4).await;
    leadership.check().unwrap();
    records(&admin, "alone", 1).await;
    patiently("resigning", leadership.resign()).await.unwrap();
    records(&admin, "alone", 0).await;
}
