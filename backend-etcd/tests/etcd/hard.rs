//! The hard case: an etcd leader that was paused, is no leader any more, and goes on answering keep-alives.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use backend_etcd::etcd_client::{Client, ConnectOptions};
use backend_etcd::{Config, EtcdCoordinator, Renewal};
use election_core::Coordinator;
use testkit::etcd::{Etcd, EtcdOptions};
use testkit::need::{self, Tool};
use tokio::time::Instant;

use crate::support::{enter, log, records, win, within};

const TTL: Duration = Duration::from_secs(2);

/// A client of the servers `at` only.
async fn client(etcd: &Etcd, at: &[usize], renewal: Renewal) -> Result<Arc<EtcdCoordinator>> {
    let endpoints: Vec<String> = at.iter().map(|i| format!("http://{}", etcd.endpoints()[*i])).collect();
    let options = ConnectOptions::new()
        .with_keep_alive(Duration::from_secs(1), Duration::from_secs(1))
        .with_keep_alive_while_idle(true)
        .with_require_leader(true);
    let client = Client::connect(endpoints, Some(options)).await?;
    Ok(EtcdCoordinator::from_client(client, Config { ttl: TTL, renewal, ..Config::default() }).await?)
}

/// The leader's client knows only the server that leads etcd. That one is paused for almost a TTL: long enough for
/// another to lead etcd, which starts the lease at its full TTL, and short enough for our leader not to have given
/// up. Then it runs for a few milliseconds, as a machine that is starved does, and answers what was sent into the
/// pause before it learns that it was deposed. Whoever counts that answer leads on while the successor does.
async fn a_paused_leader_proves_nothing(renewal: Renewal) -> Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    log();
    let etcd = Etcd::start(EtcdOptions::new().nodes(3).fast()).await?;
    for trial in 0..6_u32 {
        let paused = etcd.leader().await?;
        let others: Vec<usize> = (0..3).filter(|i| *i != paused).collect();
        let ours = client(&etcd, &[paused], renewal).await?;
        let theirs = client(&etcd, &others, Renewal::Swap).await?;
        let election = format!("hard-{trial}");
        let first = win(&ours, &election, "first").await?;
        let waiter = enter(&theirs.elector(&election)?, "second");
        records(&etcd, &format!("/election/{election}/"), 2).await?;
        // In each trial at another phase of the renewals.
        tokio::time::sleep(TTL / 2 + TTL * trial / 20).await;
        first.check()?;
        etcd.pause(paused)?;
        let pause = Instant::now();
        // Until the deadline is so near that a renewal which was sent into the pause would move it.
        while first
            .valid_until()
            .is_ok_and(|until| until.saturating_duration_since(first.now()) > Duration::from_millis(150))
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        etcd.resume(paused)?;
        let resumed = pause.elapsed();
        tokio::time::sleep(Duration::from_millis(5 + 5 * u64::from(trial))).await;
        etcd.pause(paused)?;
        let mut last_valid = pause;
        let successor = within(async {
            tokio::pin!(waiter);
            loop {
                tokio::select! {
                    won = &mut waiter => return won.context("the waiter")?.context("the successor"),
                    () = tokio::time::sleep(Duration::from_micros(500)) => {
                        if first.check().is_ok() {
                            last_valid = Instant::now();
                        }
                    }
                }
            }
        })
        .await??;
        let claimed = Instant::now();
        successor.check()?;
        println!(
            "trial {trial}: resumed after {resumed:?}, valid for {:?}, the successor after {:?}",
            last_valid - pause,
            claimed - pause
        );
        let mut leaders = 0.0;
        for other in &others {
            leaders += etcd.metric(*other, "etcd_server_is_leader").await?;
        }
        assert!(leaders == 1.0, "not exercised: nobody else leads etcd");
        assert!(first.check().is_err(), "two leaders, {:?} after the pause", pause.elapsed());
        etcd.resume(paused)?;
        ours.close().await.ok();
        theirs.close().await?;
        etcd.wait_ready().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_of_etcd_proves_nothing_by_keep_alive() -> Result<()> {
    a_paused_leader_proves_nothing(Renewal::KeepAlive).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_of_etcd_proves_nothing_by_swap() -> Result<()> {
    a_paused_leader_proves_nothing(Renewal::Swap).await
}
