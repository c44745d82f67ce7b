//! Sessions that live on, by either proof, and what is left of the leases.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use backend_etcd::etcd_client::{Client, ConnectOptions};
use backend_etcd::{Config, EtcdCoordinator, Renewal};
use election_core::{Coordinator, Kind};
use testkit::etcd::{Etcd, EtcdOptions};
use testkit::need::{self, Tool};

use crate::support::{candidate, connect, enter, log, records, single, win, within};

async fn with(etcd: &Etcd, renewal: Renewal) -> Result<Arc<EtcdCoordinator>> {
    log();
    let url = format!("http://{}", etcd.endpoints()[0]);
    let options = ConnectOptions::new()
        .with_keep_alive(Duration::from_secs(6), Duration::from_secs(3))
        .with_require_leader(true);
    let client = Client::connect([url], Some(options)).await?;
    let config = Config { ttl: Duration::from_secs(2), renewal, ..Config::default() };
    Ok(EtcdCoordinator::from_client(client, config).await?)
}

/// Holds some elections, with one more coming and going, for longer than three TTLs.
async fn lives_on(etcd: &Etcd, coordinator: &EtcdCoordinator) -> Result<()> {
    let mut held = Vec::new();
    for election in 0..5 {
        held.push(win(coordinator, &format!("e-{election}"), "w-1").await?);
    }
    let elector = coordinator.elector("e-0")?;
    let waiter = enter(&elector, "waiter");
    let tokens: Vec<_> = held.iter().map(|leadership| leadership.token()).collect();
    let end = tokio::time::Instant::now() + Duration::from_millis(6500);
    let mut cycles = 0;
    while tokio::time::Instant::now() < end {
        win(coordinator, "busy", "w-1").await?.resign().await?;
        cycles += 1;
        for (leadership, token) in held.iter().zip(&tokens) {
            assert_eq!(leadership.check()?, *token, "after {cycles} cycles");
        }
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let admin = etcd.admin().await?;
    let leases = admin.leases().await?.len();
    assert!(leases <= 2, "{leases} leases: the present one, and one that is being revoked at most");
    held.remove(0).resign().await?;
    within(waiter).await???.resign().await?;
    for leadership in held {
        leadership.resign().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_swap() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = with(&etcd, Renewal::Swap).await?;
    lives_on(&etcd, &coordinator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_keep_alive() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = with(&etcd, Renewal::KeepAlive).await?;
    lives_on(&etcd, &coordinator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_noticed_by_the_proof_as_well() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    for renewal in [Renewal::Swap, Renewal::KeepAlive] {
        let coordinator = with(&etcd, renewal).await?;
        let mut held = Vec::new();
        for election in 0..3 {
            held.push(win(&coordinator, &format!("e-{election}"), "w-1").await?);
        }
        let key = records(&etcd, "/election/e-1/", 1).await?.remove(0).key;
        etcd.admin().await?.delete(&key).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(held[0].check().is_ok() && held[1].check().is_err() && held[2].check().is_ok());
        coordinator.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_version_decides_and_3_4_23_gets_the_swap() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=2s").await?;
    let version =
        String::from_utf8(tokio::process::Command::new("etcd").arg("--version").output().await?.stdout)?;
    if version.contains("3.4.23") {
        assert_eq!(coordinator.renewal(), Renewal::Swap);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ttl_below_the_minimum_is_raised_and_shown() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=1s").await?;
    assert_eq!(coordinator.granted_ttl(), etcd.options().minimum_ttl());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_ends_and_the_next_campaign_opens_another() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=2s").await?;
    let admin = etcd.admin().await?;
    testkit::until("no lease", Duration::from_millis(1900), || async {
        Ok(admin.leases().await?.is_empty().then_some(()))
    })
    .await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    assert_eq!(admin.leases().await?.len(), 1);
    leadership.resign().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn close_ends_every_claim_and_removes_every_record() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    let elector = coordinator.elector("billing")?;
    let waiter = enter(&elector, "waiter");
    records(&etcd, "/election/billing/", 2).await?;
    coordinator.close().await?;
    assert!(leadership.check().is_err());
    assert_eq!(within(waiter).await??.unwrap_err().kind(), Kind::Closed);
    records(&etcd, "/election/", 0).await?;
    coordinator.close().await?;
    let refused = enter(&elector, "late").await?.unwrap_err();
    assert_eq!(refused.kind(), Kind::Closed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn resignations_amid_swaps_are_confirmed() -> Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    // A swap every third of a second; what is being removed meanwhile is left on the lease that is revoked.
    let etcd = Etcd::start(EtcdOptions::new().fast()).await?;
    let coordinator = connect(&etcd, "ttl=1s&timeout=5s").await?;
    let keep = win(&coordinator, "held", "w-1").await?;
    let end = tokio::time::Instant::now() + Duration::from_secs(4);
    let cycles = (0..16).map(|i| {
        let elector = coordinator.elector(&format!("e-{i}"));
        async move {
            let elector = elector?;
            while tokio::time::Instant::now() < end {
                elector.campaign(candidate("w-1")).await?.resign().await?;
            }
            election_core::Result::<()>::Ok(())
        }
    });
    futures::future::try_join_all(cycles).await?;
    keep.resign().await?;
    records(&etcd, "/election/", 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resignation_when_the_session_turns_idle_is_confirmed() -> Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    log();
    // The answers are late, so that renewals fall due while the only record is being removed.
    let etcd = Etcd::start(EtcdOptions::new().fast()).await?;
    let proxy = testkit::proxy::Proxy::to(&etcd.endpoints()[0]).await?;
    let coordinator = backend_etcd::connect(&format!("etcd://{}?ttl=1s", proxy.endpoint())).await?;
    proxy.delay(testkit::proxy::Direction::ToServer, Duration::from_millis(60));
    for _ in 0..30 {
        win(&coordinator, "billing", "w-1").await?.resign().await?;
    }
    Ok(())
}
