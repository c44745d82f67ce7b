//! Servers that die, hang or cannot be reached.

use std::time::Duration;

use anyhow::{Context, Result};
use election_core::{Coordinator, Kind, Loss};
use testkit::proxy::Proxy;
use tokio::time::Instant;

use crate::support::{candidate, connect, enter, log, loss, records, renewed, single, three, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() -> Result<()> {
    log();
    // A port where nobody listens, and an address that swallows everything.
    for (host, timeout) in [("127.0.0.1:1,127.0.0.1:2", 1), ("192.0.2.1:2379", 1)] {
        let start = Instant::now();
        let error = backend_etcd::connect(&format!("etcd://{host}?timeout={timeout}s")).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(matches!(error.kind(), Kind::Unavailable | Kind::Timeout), "{error}");
        for host in host.split(',') {
            assert!(error.to_string().contains(host), "{error}");
        }
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        println!("{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_not_waited_for() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=2s&timeout=1s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    etcd.pause(0)?;
    let start = Instant::now();
    let error = leadership.resign().await.unwrap_err();
    assert!(error.is_retryable() && start.elapsed() < Duration::from_secs(2), "{error}");
    let start = Instant::now();
    let error = coordinator.elector("other")?.campaign(candidate("w-1")).await.unwrap_err();
    assert!(error.is_retryable() && start.elapsed() < Duration::from_secs(4), "{error}");
    etcd.resume(0)?;
    records(&etcd, "/election/", 0).await?;
    win(&coordinator, "billing", "w-1").await?.resign().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_loses_before_its_successor_wins() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    let cut_off = backend_etcd::connect(&format!("etcd://{}?ttl=2s", proxy.endpoint())).await?;
    let successor = connect(&etcd, "ttl=2s").await?;
    let leadership = win(&cut_off, "billing", "cut-off").await?;
    let waiter = enter(&successor.elector("billing")?, "successor");
    records(&etcd, "/election/billing/", 2).await?;
    // So that its deadline is that of a renewal.
    renewed(&leadership).await?;
    proxy.sever();
    let start = Instant::now();
    let lost = loss(&leadership).await?;
    assert_eq!(lost, Loss::Unproven);
    assert!(!waiter.is_finished(), "the successor won before the leader had lost");
    let won = within(waiter).await???;
    println!("takeover after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(3200), "{:?}", start.elapsed());
    assert!(won.token() > leadership.token());
    proxy.heal().await?;
    assert_eq!(leadership.check(), Err(Loss::Unproven));
    // The session that has ended is replaced by itself.
    let again = enter(&cut_off.elector("billing")?, "again");
    records(&etcd, "/election/billing/", 2).await?;
    won.resign().await?;
    within(again).await???.resign().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_finds_its_leader_again() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=5s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    let waiter = enter(&coordinator.elector("billing")?, "waiter");
    records(&etcd, "/election/billing/", 2).await?;
    etcd.restart(0).await?;
    renewed(&leadership).await?;
    assert!(leadership.check().is_ok());
    leadership.resign().await?;
    within(waiter).await???.resign().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_servers_the_leader_dies() -> Result<()> {
    let Some(etcd) = three().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=5s").await?;
    let mut held = Vec::new();
    for election in 0..10 {
        held.push(win(&coordinator, &format!("e-{election}"), "w-1").await?);
    }
    let waiter = enter(&coordinator.elector("e-0")?, "waiter");
    records(&etcd, "/election/e-0/", 2).await?;
    etcd.kill(etcd.leader().await?)?;
    // Nothing may happen, for longer than the TTL: whoever is not renewed any more has lost by then.
    let end = Instant::now() + Duration::from_secs(8);
    while Instant::now() < end {
        for leadership in &held {
            assert!(leadership.check().is_ok(), "{leadership:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.remove(0).resign().await?;
    within(waiter).await???.resign().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_servers_any_one_hangs() -> Result<()> {
    let Some(etcd) = three().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=5s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    for server in 0..3 {
        etcd.pause(server)?;
        let waiter = enter(&coordinator.elector("billing")?, "waiter");
        renewed(&leadership).await.with_context(|| format!("server {server} hangs: {leadership:?}"))?;
        leadership.check()?;
        let start = Instant::now();
        waiter.abort();
        win(&coordinator, "other", "w-1").await?.resign().await?;
        println!("server {server} hangs: a cycle takes {:?}", start.elapsed());
        etcd.resume(server)?;
        etcd.wait_ready().await?;
    }
    Ok(())
}
