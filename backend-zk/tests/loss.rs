//! Records and sessions that vanish behind their owner's back.

mod common;

use std::time::Duration;

use common::{
    PATIENCE, ROOT, campaign, candidate, connect, elector, expire, next, patiently, records, single,
};
use election_core::{Kind, LeaderEvent, Loss};
use testkit::need::{self, Tool};
use testkit::proxy::Proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_record_is_deleted_is_deposed_at_once() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let coordinator = connect(&zk.authority(), 8000).await;
    // Elected at once, and elected after a wait: their watches are set at different times.
    let elector = elector(&coordinator, "deposed");
    let first = campaign(&elector, "a").await;
    let waiting = tokio::spawn({
        let elector = elector.clone();
        async move { campaign(&elector, "b").await }
    });
    let queue = records(&admin, "deposed", 2).await;
    assert!(admin.delete(&queue[0].key).await.unwrap());
    let began = tokio::time::Instant::now();
    assert_eq!(patiently("the loss", first.lost()).await, Loss::Deposed);
    assert_eq!(first.check(), Err(Loss::Deposed));
    let second = patiently("the successor", waiting).await.unwrap();
    assert!(second.token() > first.token());
    assert!(admin.delete(&queue[1].key).await.unwrap());
    assert_eq!(patiently("the loss", second.lost()).await, Loss::Deposed);
    // By a watch, not by a renewal (those come every 2.7 s).
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // A resign of it harms nobody.
    let third = campaign(&elector, "c").await;
    let error = second.resign().await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotLeader);
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    third.check().unwrap();
    records(&admin, "deposed", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_whose_record_or_session_vanishes_is_told_and_never_leads() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let leading = connect(&zk.authority(), 8000).await;
    let coordinator = connect(&zk.authority(), 8000).await;
    let leader = campaign(&elector(&leading, "waiter"), "leader").await;
    let waiting = elector(&coordinator, "waiter");
    for session in [false, true] {
        let campaign = tokio::spawn({
            let waiting = waiting.clone();
            async move { waiting.campaign(candidate("waiter")).await }
        });
        let record = records(&admin, "waiter", 2).await.remove(1);
        if session {
            expire(&admin, record.session).await;
        } else {
            admin.delete(&record.key).await.unwrap();
        }
        let error = patiently("the failure", campaign).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::SessionLost, "{error}");
        leader.check().unwrap();
    }
    // A new session serves the next campaign.
    let campaign = tokio::spawn({
        let waiting = waiting.clone();
        async move { campaign(&waiting, "again").await }
    });
    records(&admin, "waiter", 2).await;
    leader.resign().await.unwrap();
    patiently("the next leader", campaign).await.unwrap().check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_session_expires_loses_before_the_next_one_leads() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = testkit::zk::Zk::start(testkit::zk::ZkOptions::new().fast()).await.unwrap();
    let proxy = Proxy::to(&zk.endpoints()[0]).await.unwrap();
    let severed = connect(&proxy.endpoint(), 1000).await;
    let other = connect(&zk.authority(), 1000).await;
    for _ in 0..3 {
        let leader = campaign(&elector(&severed, "severed"), "a").await;
        let successor = tokio::spawn({
            let elector = elector(&other, "severed");
            async move {
                let leadership = campaign(&elector, "b").await;
                (leadership.check().unwrap(), leadership)
            }
        });
        let admin = zk.admin().await.unwrap();
        records(&admin, "severed", 2).await;
        proxy.sever();
        let (token, successor) = loop {
            let valid = leader.check();
            if successor.is_finished() {
                break successor.await.unwrap();
            }
            if valid.is_err() {
                break tokio::time::timeout(PATIENCE, successor).await.unwrap().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        // Asked after the successor's claim began, and before, in the loop: both must not be valid at once.
        assert_eq!(leader.check(), Err(Loss::Unproven));
        assert!(token > leader.token());
        proxy.heal().await.unwrap();
        drop((leader, successor));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_grow_when_the_election_is_removed_and_created_again() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let coordinator = connect(&zk.authority(), 8000).await;
    let elector = elector(&coordinator, "again");
    let mut events = elector.observe();
    assert_eq!(next(&mut events).await, LeaderEvent::Vacant);
    let mut token = None;
    for round in 0..3 {
        let leader = campaign(&elector, "a").await;
        assert!(Some(leader.token()) > token);
        token = Some(leader.token());
        let seen = common::next_leader(&mut events).await;
        assert_eq!(Some(seen.token), token);
        let name = &records(&admin, "again", 1).await[0].key;
        assert!(name.ends_with("-latch-0000000000"), "the sequence starts anew, the token does not: {name}");
        let waiting = tokio::spawn({
            let elector = elector.clone();
            async move { elector.campaign(candidate("b")).await }
        });
        records(&admin, "again", 2).await;
        let path = if round == 2 { ROOT.to_owned() } else { format!("{ROOT}/again") };
        admin.delete_all(&path).await.unwrap();
        assert_eq!(patiently("the loss", leader.lost()).await, Loss::Deposed);
        let outcome = patiently("the waiter", waiting).await.unwrap();
        match outcome {
            Err(error) => assert_eq!(error.kind(), Kind::SessionLost),
            // The records are deleted one by one: the waiter may have led in between.
            Ok(brief) => {
                assert_eq!(patiently("the waiter's loss", brief.lost()).await, Loss::Deposed);
                assert!(Some(brief.token()) > token);
                token = Some(brief.token());
            }
        }
        loop {
            if next(&mut events).await == LeaderEvent::Vacant {
                break;
            }
        }
    }
    // With the root went the znode that renewals write to: it is created again.
    let leader = campaign(&elector, "a").await;
    assert!(Some(leader.token()) > token);
    assert!(tokio::time::timeout(Duration::from_secs(9), leader.lost()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_connection_costs_nothing_and_no_wake_up() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let proxy = Proxy::to(&zk.endpoints()[0]).await.unwrap();
    let leading = connect(&zk.authority(), 8000).await;
    let coordinator = connect(&proxy.endpoint(), 8000).await;
    let leader = campaign(&elector(&leading, "reset"), "leader").await;
    let own = campaign(&elector(&coordinator, "mine"), "own").await;
    let waiting = tokio::spawn({
        let elector = elector(&coordinator, "reset");
        async move { campaign(&elector, "waiter").await }
    });
    records(&admin, "reset", 2).await;
    let mut events = elector(&coordinator, "reset").observe();
    common::next_leader(&mut events).await;
    // The predecessor goes while the waiter's connection is down: the event of that watch is lost.
    proxy.cut().await.unwrap();
    assert!(matches!(next(&mut events).await, LeaderEvent::Disconnected { last: Some(_), .. }));
    leader.resign().await.unwrap();
    proxy.heal().await.unwrap();
    let waiter = patiently("the waiter", waiting).await.unwrap();
    own.check().unwrap();
    let seen = common::next_leader(&mut events).await;
    assert_eq!(seen.token, waiter.token());
    // Its own watch survived, too.
    let record = &records(&admin, "mine", 1).await[0];
    admin.delete(&record.key).await.unwrap();
    assert_eq!(patiently("the loss", own.lost()).await, Loss::Deposed);
}
