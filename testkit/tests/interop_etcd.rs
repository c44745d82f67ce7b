//! Candidates and observers of `etcdctl elect` (Go's `concurrency.Election`) and ours, in one election.
#![forbid(unsafe_code)]
#![cfg(feature = "etcd")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{SOON, assert_waits, campaign, vacant, won, won_by};
use election_core::{Candidate, Coordinator, Elector};
use testkit::{
    etcd::{Etcd, EtcdOptions},
    interop::{Elect, Listen},
    need::{self, Tool},
    until,
};

const PREFIX: &str = "/election/billing";

struct Stage {
    etcd: Etcd,
    coordinator: Arc<dyn Coordinator>,
    elector: Arc<dyn Elector>,
}

async fn stage(options: EtcdOptions) -> anyhow::Result<Option<Stage>> {
    if !need::has(Tool::Etcd) || !need::has(Tool::Etcdctl) {
        return Ok(None);
    }
    let etcd = Etcd::start(options).await?;
    let coordinator = backend_etcd::connect(&format!("etcd://{}?ttl=5s", etcd.authority())).await?;
    let elector = coordinator.elector("billing")?;
    Ok(Some(Stage { etcd, coordinator, elector }))
}

impl Stage {
    /// Lets an `etcdctl elect` take its place in the queue.
    async fn theirs(&self, value: &str) -> anyhow::Result<Elect> {
        let elect = Elect::join(&self.etcd.endpoints(), PREFIX, value)?;
        let admin = self.etcd.admin().await?;
        let what = format!("the record of etcdctl elect with {value}");
        until(&what, SOON, || async {
            let records = admin.records(&format!("{PREFIX}/")).await?;
            Ok(records.iter().any(|record| record.value == value.as_bytes()).then_some(()))
        })
        .await?;
        Ok(elect)
    }
}

/// The whole round: ours, theirs, ours again, seen by observers of both sides.
async fn take_turns(options: EtcdOptions) -> anyhow::Result<()> {
    let Some(stage) = stage(options).await? else { return Ok(()) };
    let mut events = stage.elector.observe();
    let first = stage.elector.campaign(Candidate::new("ours")?.with_value("our value")?).await?;
    assert_eq!(won_by(&mut events, "our value").await?.token, first.token());

    let mut theirs = stage.theirs("their value").await?;
    let mut listen = Listen::to(&stage.etcd.endpoints(), PREFIX)?;
    assert_eq!(listen.next_leader(SOON).await?, "our value", "their observer sees our leader");
    assert!(!theirs.leads_now(), "they lead while we do");

    stage.elector.resign(first).await?;
    let key = theirs.leads(SOON).await?;
    assert!(key.starts_with(&format!("{PREFIX}/")));
    assert_eq!(listen.next_leader(SOON).await?, "their value");
    let their_lead = won_by(&mut events, "their value").await?;

    let mut second = campaign(&stage.elector, "ours-again", "our second value");
    assert_waits(&mut second).await;
    theirs.resign().await?;
    let second = won(second).await?;
    assert!(second.token() > their_lead.token, "tokens increase across the two implementations");
    assert_eq!(listen.next_leader(SOON).await?, "our second value");
    assert_eq!(won_by(&mut events, "our second value").await?.token, second.token());
    stage.elector.resign(second).await?;
    vacant(&mut events).await?;
    Ok(stage.coordinator.close().await?)
}

#[tokio::test]
async fn we_take_turns_on_one_server() -> anyhow::Result<()> {
    take_turns(EtcdOptions::new()).await
}

#[tokio::test]
async fn we_take_turns_on_three_servers() -> anyhow::Result<()> {
    take_turns(EtcdOptions::new().nodes(3)).await
}

#[tokio::test]
async fn an_observer_that_comes_late_sees_their_leader() -> anyhow::Result<()> {
    let Some(stage) = stage(EtcdOptions::new()).await? else { return Ok(()) };
    let mut theirs = stage.theirs("theirs").await?;
    theirs.leads(SOON).await?;
    won_by(&mut stage.elector.observe(), "theirs").await?;
    Ok(())
}

#[tokio::test]
async fn the_queue_is_one() -> anyhow::Result<()> {
    let Some(stage) = stage(EtcdOptions::new()).await? else { return Ok(()) };
    let mut a = stage.theirs("a").await?;
    a.leads(SOON).await?;
    let mut b = campaign(&stage.elector, "b", "b");
    let admin = stage.etcd.admin().await?;
    until("our place in the queue", SOON, || async {
        Ok((admin.records(&format!("{PREFIX}/")).await?.len() == 2).then_some(()))
    })
    .await?;
    let mut c = stage.theirs("c").await?;

    assert_waits(&mut b).await;
    a.resign().await?;
    let b = won(b).await?;
    assert!(!c.leads_now(), "who came last leads first");
    stage.elector.resign(b).await?;
    c.leads(SOON).await?;
    Ok(())
}

#[tokio::test]
async fn a_candidate_of_theirs_that_gives_up_is_skipped() -> anyhow::Result<()> {
    let Some(stage) = stage(EtcdOptions::new()).await? else { return Ok(()) };
    let first = stage.elector.campaign(Candidate::new("first")?).await?;
    let theirs = stage.theirs("theirs").await?;
    let mut last = campaign(&stage.elector, "last", "last");
    theirs.resign().await?;
    assert_waits(&mut last).await;
    stage.elector.resign(first).await?;
    won(last).await?.check()?;
    Ok(())
}

#[tokio::test]
async fn their_leader_s_death_is_noticed_when_its_lease_goes() -> anyhow::Result<()> {
    let Some(stage) = stage(EtcdOptions::new()).await? else { return Ok(()) };
    let mut theirs = stage.theirs("theirs").await?;
    theirs.leads(SOON).await?;
    let mut ours = campaign(&stage.elector, "ours", "ours");
    // Killed, not asked: nobody removes the record. Its lease has a minute; we end it early, as time would.
    drop(theirs);
    assert_waits(&mut ours).await;
    let admin = stage.etcd.admin().await?;
    let records = admin.records(&format!("{PREFIX}/")).await?;
    admin.revoke(records[0].session).await?;
    won(ours).await?.check()?;
    Ok(())
}

#[tokio::test]
async fn another_election_of_theirs_is_none_of_our_business() -> anyhow::Result<()> {
    let Some(stage) = stage(EtcdOptions::new()).await? else { return Ok(()) };
    let mut theirs = Elect::join(&stage.etcd.endpoints(), "/election/billing2", "theirs")?;
    theirs.leads(SOON).await?;
    let ours = tokio::time::timeout(Duration::from_secs(10), stage.elector.campaign(Candidate::new("ours")?))
        .await??;
    ours.check()?;
    Ok(())
}
