//! What is left of a campaign that is dropped: nothing, at whichever point.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use common::{campaign, candidate, connect, elector, patiently, records, single};
use election_core::{Coordinator, Elector, Kind};
use testkit::need::{self, Tool};
use testkit::proxy::{Direction, Proxy};

/// Polls the inner future that many times, then is ready with what it got.
struct Polls<F> {
    inner: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.inner.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The last poll is over: the caller drops us here, not when the next wake comes.
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Polls a campaign `polls` times and drops it; true if it was elected within them.
async fn dropped_after(polls: usize, elector: &Arc<dyn Elector>) -> bool {
    let campaign = Polls { inner: Box::pin(elector.campaign(candidate("dropped"))), left: polls };
    // A waiter is not polled again as long as nothing happens.
    matches!(tokio::time::timeout(Duration::from_millis(300), campaign).await, Ok(Some(Ok(_))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_dropped_at_any_await_point_leaves_nothing() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let coordinator = connect(&zk.authority(), 4000).await;

    let alone = elector(&coordinator, "alone");
    let mut polls = 0;
    while !dropped_after(polls, &alone).await {
        records(&admin, "alone", 0).await;
        polls += 1;
        assert!(polls < 64, "never elected");
    }
    // The last one led and was dropped as a leadership.
    records(&admin, "alone", 0).await;
    assert!(polls >= 2, "a campaign awaits at least its one round trip");

    let queued = elector(&coordinator, "queued");
    let leader = campaign(&queued, "leader").await;
    for polls in 0..12 {
        assert!(!dropped_after(polls, &queued).await);
        records(&admin, "queued", 1).await;
    }
    leader.check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_dropped_before_its_answer_is_withdrawn_when_that_comes() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let proxy = Proxy::to(&zk.endpoints()[0]).await.unwrap();
    let coordinator = connect(&proxy.endpoint(), 8000).await;
    let elector = elector(&coordinator, "slow");
    // The znode of the election, so that the first request creates the record.
    drop(campaign(&elector, "a").await);
    records(&admin, "slow", 0).await;
    proxy.delay(Direction::ToClient, Duration::from_millis(500));
    assert!(!dropped_after(3, &elector).await);
    records(&admin, "slow", 1).await;
    records(&admin, "slow", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_reply_was_lost_is_found_again() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let proxy = Proxy::to(&zk.endpoints()[0]).await.unwrap();
    let coordinator = connect(&proxy.endpoint(), 8000).await;
    let elector = elector(&coordinator, "lost");
    drop(campaign(&elector, "a").await);
    records(&admin, "lost", 0).await;

    // The request arrives, the answer does not, and the connection is reset.
    proxy.sever_one_way(Direction::ToClient);
    let campaigning = tokio::spawn({
        let elector = elector.clone();
        async move { elector.campaign(candidate("b")).await }
    });
    let record = records(&admin, "lost", 1).await.remove(0);
    proxy.cut().await.unwrap();
    proxy.heal().await.unwrap();
    let leader = patiently("the campaign", campaigning).await.unwrap().unwrap();
    assert_eq!(leader.token().get(), u64::try_from(record.order).unwrap(), "it leads with that very record");
    records(&admin, "lost", 1).await;

    // The same, but the campaign is dropped before the connection is back.
    leader.resign().await.unwrap();
    proxy.sever_one_way(Direction::ToClient);
    let campaigning = tokio::spawn({
        let elector = elector.clone();
        async move { elector.campaign(candidate("c")).await }
    });
    records(&admin, "lost", 1).await;
    campaigning.abort();
    proxy.cut().await.unwrap();
    proxy.heal().await.unwrap();
    records(&admin, "lost", 0).await;
}

/// Found by `cargo xtask chaos --backend zk --fault cut-leaders-server`: the queue was read before the second create, the candidate took itself for deleted,
/// and its record stayed at the head of the queue for as long as the session lived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_never_arrived_is_made_again_and_leads() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let proxy = Proxy::to(&zk.endpoints()[0]).await.unwrap();
    let coordinator = connect(&proxy.endpoint(), 8000).await;
    let elector = elector(&coordinator, "never");
    drop(campaign(&elector, "a").await);
    records(&admin, "never", 0).await;

    proxy.sever_one_way(Direction::ToServer);
    let before = proxy.disturbed();
    let campaigning = tokio::spawn({
        let elector = elector.clone();
        async move { elector.campaign(candidate("b")).await }
    });
    patiently("the request to be on its way", async {
        while proxy.disturbed() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    proxy.cut().await.unwrap();
    proxy.heal().await.unwrap();
    let leader = patiently("the campaign", campaigning).await.unwrap().unwrap();
    let record = records(&admin, "never", 1).await.remove(0);
    assert_eq!(leader.token().get(), u64::try_from(record.order).unwrap());
    leader.resign().await.unwrap();
    records(&admin, "never", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resign_that_cannot_be_confirmed_ends_within_the_timeout() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let coordinator = connect(&zk.authority(), 4000).await;
    let leader = campaign(&elector(&coordinator, "dead"), "a").await;
    let handle = leader.handle();
    zk.kill(0).unwrap();
    let began = tokio::time::Instant::now();
    let resigning = leader.resign();
    tokio::pin!(resigning);
    // The claim ends with the call, whatever becomes of the confirmation.
    assert!(futures::poll!(&mut resigning).is_pending());
    assert!(handle.check().is_err());
    let error = patiently("the resignation", resigning).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Timeout | Kind::Unavailable), "{error}");
    assert!(began.elapsed() < Duration::from_millis(4500), "{:?}", began.elapsed());
    let error = patiently("closing", coordinator.close()).await;
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}: {error:?}", began.elapsed());
}
