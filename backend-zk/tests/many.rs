//! A thousand elections on one session, and what they cost the server.

mod common;

use std::time::Duration;

use common::{campaign, connect, elector, patiently, single};
use election_core::{Kind, Loss};
use futures::StreamExt;
use futures::stream::iter;
use testkit::need::{self, Tool};
use testkit::zk::Zk;
use tokio::time::Instant;

/// Packets that the server has received.
async fn received(zk: &Zk) -> u64 {
    let text = zk.four_letter_word(0, "mntr").await.unwrap();
    let line = text.lines().find(|line| line.starts_with("zk_packets_received")).unwrap();
    line.split_whitespace().last().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_elections_share_one_session_and_its_renewals() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 6000).await;
    let began = Instant::now();
    let leaders: Vec<_> = iter(0..1000)
        .map(|i| {
            let elector = elector(&coordinator, &format!("many-{i}"));
            async move { campaign(&elector, "a").await }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    println!("1000 elections won in {:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = received(&zk).await;
    let idle = Duration::from_secs(8);
    tokio::time::sleep(idle).await;
    let packets = received(&zk).await - before;
    println!("{packets} packets in {idle:?} of holding them");
    // A sync and a write every 2 s, a ping every half second or so, and our own question.
    assert!(packets < 40, "{packets} packets in {idle:?}");
    for leader in &leaders {
        leader.check().unwrap();
    }
    let admin = zk.admin().await.unwrap();
    let record = admin.records(&format!("{}/many-17", common::ROOT)).await.unwrap().remove(0);
    assert!(admin.delete(&record.key).await.unwrap());
    let deposed = leaders.iter().find(|leader| leader.election().as_str() == "many-17").unwrap();
    assert_eq!(patiently("the loss", deposed.lost()).await, Loss::Deposed);
    let began = Instant::now();
    let resigned = iter(leaders).map(|leader| leader.resign()).buffer_unordered(64).collect::<Vec<_>>().await;
    println!("999 resigned in {:?}", began.elapsed());
    let refused = resigned.iter().filter_map(|outcome| outcome.as_ref().err()).map(|error| error.kind());
    assert_eq!(refused.collect::<Vec<_>>(), [Kind::NotLeader]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_a_create_and_a_list_and_a_resign_is_one_request() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 20_000).await;
    let elector = elector(&coordinator, "cycle");
    campaign(&elector, "warm-up").await.resign().await.unwrap();
    let before = received(&zk).await;
    for _ in 0..100 {
        campaign(&elector, "a").await.resign().await.unwrap();
    }
    let packets = received(&zk).await - before;
    println!("{packets} packets for 100 cycles");
    // Create, list and delete; pings and renewals besides.
    assert!((300..=320).contains(&packets), "{packets} packets for 100 cycles");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handover_costs_two_requests_however_long_the_queue() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 20_000).await;
    let admin = zk.admin().await.unwrap();
    let elector = elector(&coordinator, "queue");
    let mut leader = campaign(&elector, "0").await;
    let mut waiting = Vec::new();
    for i in 1..60 {
        let elector = elector.clone();
        waiting.push(tokio::spawn(async move { campaign(&elector, &i.to_string()).await }));
        common::records(&admin, "queue", i + 1).await;
    }
    drop(admin);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = received(&zk).await;
    let count = u64::try_from(waiting.len()).unwrap();
    for waiter in waiting {
        leader.resign().await.unwrap();
        leader = patiently("the next", waiter).await.unwrap();
    }
    let packets = received(&zk).await - before;
    println!("{packets} packets for {count} handovers");
    // The delete, and the list that shows election and ownership at once; pings and renewals besides.
    assert!(packets <= count * 2 + 20, "{packets} packets for {count} handovers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_observers_cost_one_request_per_change() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 20_000).await;
    let observing = connect(&zk.authority(), 20_000).await;
    let watched = elector(&observing, "watched");
    let mut streams: Vec<_> = (0..100).map(|_| watched.observe()).collect();
    for stream in &mut streams {
        common::next(stream).await;
    }
    let contested = elector(&coordinator, "watched");
    drop(campaign(&contested, "warm-up").await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = received(&zk).await;
    for round in 0..20 {
        let leader = campaign(&contested, &round.to_string()).await;
        for stream in &mut streams {
            while common::next_leader(stream).await.token < leader.token() {}
        }
        leader.resign().await.unwrap();
    }
    let packets = received(&zk).await - before;
    println!("{packets} packets for 20 rounds");
    // A round: create, list, own watch, delete, and the one of the observers.
    assert!(packets <= 20 * 5 + 20, "{packets} packets for 20 rounds");
}

/// Upstream sends the watches of a session in frames of 128 KiB after a reconnect, and fails when there are two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_elections_outlive_a_reset_connection() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let proxy = testkit::proxy::Proxy::to(&zk.endpoints()[0]).await.unwrap();
    let coordinator = connect(&proxy.endpoint(), 6000).await;
    let leaders: Vec<_> = iter(0..2000)
        .map(|i| {
            let elector = elector(&coordinator, &format!("reset-{i}"));
            async move { campaign(&elector, "candidate-with-a-name-of-usual-length").await }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.cut().await.unwrap();
    proxy.heal().await.unwrap();
    // Beyond every deadline that was earned before the reset.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let lost: Vec<_> = leaders.iter().filter_map(|leader| leader.check().err()).collect();
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost[0]);
    // All are still watched over, those for which there was no room for a watch by the renewals.
    let admin = zk.admin().await.unwrap();
    for name in ["reset-3", "reset-1990"] {
        let record = admin.records(&format!("{}/{name}", common::ROOT)).await.unwrap().remove(0);
        assert!(admin.delete(&record.key).await.unwrap());
        let deposed = leaders.iter().find(|leader| leader.election().as_str() == name).unwrap();
        assert_eq!(patiently("the loss", deposed.lost()).await, Loss::Deposed);
    }
    assert_eq!(leaders.iter().filter(|leader| leader.check().is_ok()).count(), 1998);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_too_many_elections_is_told_and_the_others_outlive_a_reset_connection() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let proxy = testkit::proxy::Proxy::to(&zk.endpoints()[0]).await.unwrap();
    // Longer than 400 campaigns take on a busy machine.
    let (first, second) = (connect(&zk.authority(), 20_000).await, connect(&proxy.endpoint(), 20_000).await);
    // Two watches of some 200 bytes for each that waits: there is room for 290 or so.
    let names: Vec<String> = (0..400).map(|i| format!("{i:0128}")).collect();
    let leaders: Vec<_> = iter(&names)
        .map(|name| {
            let elector = elector(&first, name);
            async move { campaign(&elector, "a").await }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    for name in &names {
        let (elector, tell) = (elector(&second, name), tell.clone());
        tokio::spawn(async move {
            loop {
                match elector.campaign(common::candidate("b")).await {
                    Err(error) if error.is_retryable() => println!("again: {error}"),
                    outcome => return tell.send(outcome).ok(),
                }
            }
        });
    }
    let admin = zk.admin().await.unwrap();
    let waiting = async || {
        let mut waiting = 0;
        for name in &names {
            // The leader's record, and that of whoever waits.
            waiting += admin.records(&format!("{}/{name}", common::ROOT)).await.unwrap().len() - 1;
        }
        waiting
    };
    let mut refused = 0;
    patiently("everybody to wait or to be refused", async {
        // Counting them is four hundred requests: only when nobody is refused any more.
        loop {
            match tokio::time::timeout(Duration::from_millis(200), told.recv()).await {
                Ok(outcome) => {
                    let error = outcome.unwrap().unwrap_err();
                    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
                    assert!(error.to_string().contains("another coordinator"), "{error}");
                    refused += 1;
                }
                Err(_) if refused + waiting().await == 400 => break,
                Err(_) => {}
            }
        }
    })
    .await;
    assert!((50..200).contains(&refused), "{refused} of 400 were refused");
    println!("{refused} of 400 were refused");
    proxy.cut().await.unwrap();
    proxy.heal().await.unwrap();
    // Beyond every deadline that was earned before the reset.
    tokio::time::sleep(Duration::from_secs(24)).await;
    drop(leaders);
    for _ in refused..400 {
        patiently("its turn", told.recv()).await.unwrap().unwrap().check().unwrap();
    }
}
