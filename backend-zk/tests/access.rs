//! Getting in: credentials, servers that are not there, timeouts that are not granted.

mod common;

use std::time::Duration;

use common::{campaign, candidate, connect, elector, expire, next, patiently, records, single};
use election_core::{Coordinator, Kind, LeaderEvent, Loss};
use testkit::need::{self, Tool};
use testkit::zk::{Zk, ZkOptions};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_with_credentials_is_refused_to_others() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let url = |userinfo: &str| format!("zk://{userinfo}{}?timeout=4s&connect_timeout=2s", zk.authority());
    let owner = backend_zk::connect(&url("bob:s%40cret@")).await.unwrap();
    let leader = campaign(&elector(&owner, "ours"), "a").await;
    assert!(!format!("{owner:?}").contains("s@cret"));
    for userinfo in ["", "bob:wrong@"] {
        let other = backend_zk::connect(&url(userinfo)).await.unwrap();
        let elector = elector(&other, "ours");
        let error = elector.campaign(candidate("b")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
        let mut events = elector.observe();
        use futures::StreamExt;
        let error = patiently("the refusal", events.next()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
        assert!(patiently("the end", events.next()).await.is_none());
    }
    leader.check().unwrap();
    let again = backend_zk::connect(&url("bob:s%40cret@")).await.unwrap();
    let waiting = tokio::spawn({
        let elector = elector(&again, "ours");
        async move { campaign(&elector, "b").await }
    });
    records(&zk.admin_as("bob", "s@cret").await.unwrap(), "ours", 2).await;
    leader.resign().await.unwrap();
    patiently("the next leader", waiting).await.unwrap().check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_demand_credentials_refuse_to_connect_without() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().enforce_digest()).await.unwrap();
    let url = format!("zk://{}?timeout=4s&connect_timeout=2s", zk.authority());
    let error = patiently("the refusal", backend_zk::connect(&url)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    let url = format!("zk://bob:secret@{}?timeout=4s", zk.authority());
    let coordinator = backend_zk::connect(&url).await.unwrap();
    campaign(&elector(&coordinator, "demanded"), "a").await.check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_said_within_the_connect_timeout() {
    let (one, other) = (testkit::ports::Port::lease().unwrap(), testkit::ports::Port::lease().unwrap());
    // A server that accepts and says nothing, and one that refuses.
    let silent = tokio::net::TcpListener::bind(one.address()).await.unwrap();
    let url = format!("zk://{},{}?timeout=4s&connect_timeout=800ms", one.address(), other.address());
    let began = Instant::now();
    let error = backend_zk::connect(&url).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains(&one.address().to_string()) && text.contains(&other.address().to_string()),
        "{text}"
    );
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_costs_time_and_not_the_connection() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().tick(Duration::from_millis(500))).await.unwrap();
    let port = testkit::ports::Port::lease().unwrap();
    let _silent = tokio::net::TcpListener::bind(port.address()).await.unwrap();
    let url = format!("zk://{},{}?timeout=10s&connect_timeout=4s", port.address(), zk.authority());
    // Each begins with one of the two at random. Who begins with the silent one waits for 2.5 s, and has its session
    // proven anew, which takes 3 s.
    let connects = (0..8).map(|_| backend_zk::connect(&url));
    for connected in futures::future::join_all(connects).await {
        connected.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaigns_and_observers_outlive_an_outage() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().fast()).await.unwrap();
    let url = format!("zk://{}?timeout=2s&connect_timeout=500ms", zk.authority());
    let coordinator = backend_zk::connect(&url).await.unwrap();
    let elector = elector(&coordinator, "outage");
    let leader = campaign(&elector, "a").await;
    let mut events = elector.observe();
    common::next_leader(&mut events).await;
    zk.kill(0).unwrap();
    let LeaderEvent::Disconnected { last: Some(last), .. } = next(&mut events).await else {
        panic!("the observer is told of the outage");
    };
    assert_eq!(last.token, leader.token());
    assert_eq!(patiently("the loss", leader.lost()).await, Loss::Unproven);
    let began = Instant::now();
    let error = elector.campaign(candidate("b")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // One that begins now is told as well, instead of waiting.
    assert!(matches!(next(&mut elector.observe()).await, LeaderEvent::Disconnected { last: None, .. }));
    zk.restart(0).await.unwrap();
    let second = patiently("a leader again", async {
        loop {
            match elector.campaign(candidate("b")).await {
                Ok(leadership) => return leadership,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    })
    .await;
    assert!(second.token() > leader.token());
    patiently("the observer", async {
        while common::next_leader(&mut events).await.token != second.token() {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timeout_that_was_granted_is_the_one_that_counts() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().tick(Duration::from_millis(500))).await.unwrap();
    for (asked, granted) in [(200, 1000), (3000, 3000), (60_000, 10_000)] {
        let coordinator = connect(&zk.authority(), asked).await;
        assert_eq!(coordinator.granted_timeout(), Some(Duration::from_millis(granted)));
        let leader = campaign(&elector(&coordinator, "granted"), "a").await;
        let left = leader.valid_until().unwrap().saturating_duration_since(leader.now());
        assert!(left <= Duration::from_millis(granted * 98 / 100), "{left:?}");
        assert!(left > Duration::from_millis(granted / 2), "{left:?}");
        coordinator.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_handed_in_is_proven_before_it_is_used() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().fast()).await.unwrap();
    let admin = zk.admin().await.unwrap();
    let connector = zookeeper_client::Client::connector().with_session_timeout(Duration::from_secs(2));
    let client = connector.connect(&zk.authority()).await.unwrap();
    let coordinator = backend_zk::from_client(client, backend_zk::Config::default()).await.unwrap();
    assert_eq!(coordinator.granted_timeout(), Some(Duration::from_secs(2)));
    let elector = elector(&coordinator, "handed");
    let leader = campaign(&elector, "a").await;
    assert!(tokio::time::timeout(Duration::from_secs(5), leader.lost()).await.is_err());
    let record = records(&admin, "handed", 1).await.remove(0);
    expire(&admin, record.session).await;
    patiently("the loss", leader.lost()).await;
    let error = patiently("the end", async {
        loop {
            let error = elector.campaign(candidate("b")).await.unwrap_err();
            if !error.is_retryable() {
                return error;
            }
        }
    })
    .await;
    assert_eq!(error.kind(), Kind::Closed, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_the_caller_opens_are_replaced_after_an_expiry() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let servers = zk.authority();
    let clients: backend_zk::Clients = std::sync::Arc::new(move || {
        let servers = servers.clone();
        Box::pin(async move {
            let connector =
                zookeeper_client::Client::connector().with_session_timeout(Duration::from_secs(4));
            connector.with_fail_eagerly().connect(&servers).await
        })
    });
    let config = backend_zk::Config { timeout: Duration::from_secs(4), ..Default::default() };
    let coordinator = backend_zk::ZkCoordinator::with_clients(clients, config).await.unwrap();
    let elector = elector(&coordinator, "opened");
    let first = campaign(&elector, "a").await;
    let record = records(&admin, "opened", 1).await.remove(0);
    expire(&admin, record.session).await;
    patiently("the loss", first.lost()).await;
    let second = patiently("a leader again", async {
        loop {
            if let Ok(leadership) = elector.campaign(candidate("b")).await {
                return leadership;
            }
        }
    })
    .await;
    assert!(second.token() > first.token());
}

/// Servers grant 20 ticks at most; what is left of that after the margin must still carry two renewals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_that_is_granted_and_does_not_fit_is_refused_with_the_reason() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().fast()).await.unwrap();
    let url = format!("zk://{}?timeout=12s&margin=400ms", zk.authority());
    let error = patiently("the refusal", backend_zk::connect(&url)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("granted 2s of the timeout of 12s"), "{error}");
}
