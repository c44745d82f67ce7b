//! A campaign that is dropped leaves nothing behind, wherever it is dropped.

use std::time::Duration;

use anyhow::Result;
use election_core::Coordinator;
use testkit::proxy::{Direction, Proxy};

use crate::support::{Polls, candidate, connect, enter, log, records, renewed, single, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_sole_candidate_dropped_at_every_poll() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let elector = coordinator.elector("billing")?;
    let mut dropped = 0;
    for polls in 0..20 {
        if let Some(won) = within(Polls::new(elector.campaign(candidate("w-1")), polls)).await? {
            drop(won?);
        } else {
            dropped += 1;
        }
        // The TTL is a minute: it is not what removes the record.
        records(&etcd, "/election/billing/", 0).await?;
    }
    assert!(dropped >= 2, "no campaign was dropped half-way");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_dropped_at_every_poll() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let leader = win(&coordinator, "billing", "leader").await?;
    let elector = coordinator.elector("billing")?;
    for polls in 0..6 {
        let waiter = Polls::new(elector.campaign(candidate("waiter")), polls);
        // It may be waiting for good before the count is full.
        let waited = tokio::time::timeout(Duration::from_millis(300), waiter).await;
        assert!(!matches!(waited, Ok(Some(_))));
        records(&etcd, "/election/billing/", 1).await?;
    }
    assert!(leader.check().is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_dropped_while_its_request_is_under_way() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    // So long that no renewal sweeps up what was forgotten.
    let url = format!("etcd://{}?ttl=300s", proxy.endpoint());
    let coordinator = backend_etcd::connect(&url).await?;
    let elector = coordinator.elector("billing")?;
    // The record is created, but the answer is late: the campaign is dropped in between.
    proxy.delay(Direction::ToClient, Duration::from_millis(300));
    let campaign = elector.campaign(candidate("w-1"));
    assert!(tokio::time::timeout(Duration::from_millis(100), campaign).await.is_err());
    records(&etcd, "/election/billing/", 1).await?;
    records(&etcd, "/election/billing/", 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_whose_answer_never_came_is_taken_back() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    let url = format!("etcd://{}?ttl=10s&timeout=1s", proxy.endpoint());
    let coordinator = backend_etcd::connect(&url).await?;
    let elector = coordinator.elector("billing")?;
    proxy.sever_one_way(Direction::ToClient);
    let campaign = enter(&elector, "w-1");
    records(&etcd, "/election/billing/", 1).await?;
    assert!(within(campaign).await??.unwrap_err().is_retryable());
    proxy.heal().await?;
    records(&etcd, "/election/billing/", 0).await?;
    // And the next campaign is not disturbed by it, nor by the renewals, which sweep up what was forgotten.
    let leadership = win(&coordinator, "billing", "w-1").await?;
    renewed(&leadership).await?;
    assert!(leadership.check().is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resignation_whose_first_answer_was_lost_is_one() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    let url = format!("etcd://{}?ttl=60s&timeout=30s", proxy.endpoint());
    let coordinator = backend_etcd::connect(&url).await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    proxy.sever_one_way(Direction::ToClient);
    let resigning = tokio::spawn(leadership.resign());
    records(&etcd, "/election/billing/", 0).await?;
    proxy.cut().await?;
    proxy.heal().await?;
    // It is sent again, and finds nothing.
    within(resigning).await???;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_leadership_frees_the_seat() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    drop(win(&coordinator, "billing", "w-1").await?);
    records(&etcd, "/election/billing/", 0).await?;
    // Outside any runtime, too.
    let leadership = win(&coordinator, "billing", "w-1").await?;
    std::thread::spawn(move || drop(leadership)).join().unwrap();
    records(&etcd, "/election/billing/", 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_coordinator_leaves_no_lease() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    drop(coordinator);
    assert!(leadership.check().is_ok(), "a leadership holds the session");
    drop(leadership);
    let admin = etcd.admin().await?;
    testkit::until("no lease", crate::support::BOUND, || async {
        Ok(admin.leases().await?.is_empty().then_some(()))
    })
    .await?;
    records(&etcd, "/election/billing/", 0).await?;
    Ok(())
}
