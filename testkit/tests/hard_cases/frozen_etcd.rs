//! The hardest case on etcd: its leader is frozen, cut off from the others, and thaws while it is still cut off.
//!
//! It cannot learn that it was deposed, and answers keep-alives as the leader it was until it misses its quorum, one to
//! two election timeouts later. Whoever counts those answers leads on long after the real leader let the lease expire:
//! `cargo xtask zoo etcd-keep-alive-trusted` shows it on this very rig.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use election_core::{Candidate, Coordinator};
use testkit::{
    READY_WITHIN, Site,
    etcd::{Etcd, EtcdOptions},
    need::{self, Tool},
    net::{Fate, Net, Rule, Weather},
    until,
};
use tokio::time::{Instant, sleep, timeout};

const TTL: Duration = Duration::from_secs(3);
const TRIALS: u32 = 4;

/// A process that knows only the servers `at`.
async fn process(etcd: &Etcd, at: &[usize]) -> Result<Arc<dyn Coordinator>> {
    let endpoints: Vec<String> = at.iter().map(|i| etcd.endpoints()[*i].clone()).collect();
    let url = format!("etcd://{}?ttl={}s", endpoints.join(","), TTL.as_secs());
    Ok(backend_etcd::connect(&url).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_of_etcd_that_was_frozen_and_cut_off_proves_nothing() -> Result<()> {
    if !need::has(Tool::Etcd) || !need::has(Tool::Namespaces) {
        return Ok(());
    }
    let net = Net::new()?;
    let hosts = net.hosts("server", 3)?;
    let etcd = Etcd::start(EtcdOptions::new().on(Site::each(&hosts))).await?;
    for trial in 0..TRIALS {
        let frozen = etcd.leader().await?;
        let others: Vec<usize> = (0..3).filter(|i| *i != frozen).collect();
        let (ours, theirs) = (process(&etcd, &[frozen]).await?, process(&etcd, &others).await?);
        let election = format!("hard-{trial}");
        let (first, second) = (ours.elector(&election)?, theirs.elector(&election)?);
        let first = first.campaign(Candidate::new("first")?).await?;
        let candidate = Candidate::new("second")?;
        let waiter = tokio::spawn(async move {
            loop {
                // While etcd has no leader the waiter may lose its session, too.
                match second.campaign(candidate.clone()).await {
                    Err(error) if error.is_retryable() => println!("again: {error}"),
                    outcome => return outcome,
                }
            }
        });
        let queued = || async {
            let records = etcd.admin().await?.records(&format!("/election/{election}/")).await?;
            Ok((records.len() == 2).then_some(()))
        };
        until("the second candidate", READY_WITHIN, queued).await?;
        // At different phases of the renewals.
        sleep(TTL / 2 + TTL / 10 * trial).await;
        first.check()?;

        let weather = Weather::impose(Rule::around(&hosts[frozen], &hosts, Fate::Lost))?;
        etcd.pause(frozen)?;
        let cut = Instant::now();
        // Until the deadline is so near that a renewal which was sent into the pause would move it.
        let remains = || first.valid_until().map(|until| until.saturating_duration_since(first.now()));
        while remains().is_ok_and(|remains| remains > Duration::from_millis(200)) {
            sleep(Duration::from_millis(2)).await;
        }
        etcd.resume(frozen)?;
        let thawed = cut.elapsed();

        let mut last_valid = cut;
        let successor = timeout(READY_WITHIN, async {
            tokio::pin!(waiter);
            loop {
                tokio::select! {
                    won = &mut waiter => return won.context("the waiter")?.context("the successor"),
                    () = sleep(Duration::from_micros(500)) => {
                        if first.check().is_ok() {
                            last_valid = Instant::now();
                        }
                    }
                }
            }
        });
        let successor = successor.await.context("nobody leads")??;
        successor.check()?;
        let claimed = cut.elapsed();
        println!(
            "trial {trial}: thawed after {thawed:?}, valid until {:?}, the successor after {claimed:?}",
            last_valid - cut
        );
        assert!(first.check().is_err(), "two leaders, {claimed:?} after the cut");
        assert!(weather.lift()? > 0, "not exercised: not one packet was lost");
        drop((first, successor));
        ours.close().await.ok();
        theirs.close().await?;
        etcd.wait_ready().await?;
    }
    Ok(())
}
