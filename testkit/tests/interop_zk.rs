//! Candidates and observers of Apache Curator's `LeaderLatch` and ours, in one election.
#![forbid(unsafe_code)]
#![cfg(feature = "zk")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{SOON, assert_waits, campaign, vacant, won, won_by};
use election_core::{Candidate, Coordinator, Elector};
use testkit::{
    interop::Latch,
    need::{self, Tool},
    until,
    zk::{Zk, ZkOptions},
};

const PATH: &str = "/election/billing";

/// Short, so that a killed JVM's session is over soon; long enough for a JVM that shares two cores with others.
const SESSION: Duration = Duration::from_secs(4);

struct Stage {
    zk: Zk,
    coordinator: Arc<dyn Coordinator>,
    elector: Arc<dyn Elector>,
}

async fn stage(options: ZkOptions) -> anyhow::Result<Option<Stage>> {
    if !need::has(Tool::ZooKeeper) || !need::has(Tool::Curator) {
        return Ok(None);
    }
    let zk = Zk::start(options.tick(Duration::from_secs(1))).await?;
    let coordinator = backend_zk::connect(&format!("zk://{}?timeout=6s", zk.authority())).await?;
    let elector = coordinator.elector("billing")?;
    Ok(Some(Stage { zk, coordinator, elector }))
}

impl Stage {
    async fn theirs(&self, id: &str) -> anyhow::Result<Latch> {
        let latch = Latch::join(&self.zk.authority(), PATH, id, SESSION).await?;
        self.wait_for(id).await?;
        Ok(latch)
    }

    /// Waits until the candidate with this value has its place in the queue. (Curator creates its znode in the
    /// background, so a latch that has been started is not yet in the queue.)
    async fn wait_for(&self, value: &str) -> anyhow::Result<()> {
        let admin = self.zk.admin().await?;
        let what = format!("the record of {value}");
        until(&what, SOON, || async {
            let records = admin.records(PATH).await?;
            Ok(records.iter().any(|record| record.value == value.as_bytes()).then_some(()))
        })
        .await
    }
}

/// The whole round: ours, theirs, ours again, seen by observers of both sides.
async fn take_turns(options: ZkOptions) -> anyhow::Result<()> {
    let Some(stage) = stage(options).await? else { return Ok(()) };
    let mut events = stage.elector.observe();
    let first = stage.elector.campaign(Candidate::new("ours")?.with_value("our value")?).await?;
    assert_eq!(won_by(&mut events, "our value").await?.token, first.token());

    let mut theirs = stage.theirs("theirs").await?;
    assert_eq!(theirs.sees().await?.as_deref(), Some("our value"), "their observer sees our leader");
    assert!(!theirs.leads_now(), "they lead while we do");

    stage.elector.resign(first).await?;
    theirs.leads(SOON).await?;
    assert_eq!(theirs.sees().await?.as_deref(), Some("theirs"));
    let their_lead = won_by(&mut events, "theirs").await?;

    let mut second = campaign(&stage.elector, "ours-again", "our second value");
    assert_waits(&mut second).await;
    theirs.resign().await?;
    let second = won(second).await?;
    assert!(second.token() > their_lead.token, "tokens increase across the two implementations");
    assert_eq!(won_by(&mut events, "our second value").await?.token, second.token());
    theirs.rejoin().await?;
    assert_eq!(theirs.sees().await?.as_deref(), Some("our second value"));
    theirs.resign().await?;
    stage.elector.resign(second).await?;
    vacant(&mut events).await?;
    Ok(stage.coordinator.close().await?)
}

#[tokio::test]
async fn we_take_turns_on_one_server() -> anyhow::Result<()> {
    take_turns(ZkOptions::new()).await
}

#[tokio::test]
async fn we_take_turns_on_three_servers() -> anyhow::Result<()> {
    take_turns(ZkOptions::new().nodes(3)).await
}

#[tokio::test]
async fn an_observer_that_comes_late_sees_their_leader() -> anyhow::Result<()> {
    let Some(stage) = stage(ZkOptions::new()).await? else { return Ok(()) };
    let mut theirs = stage.theirs("theirs").await?;
    theirs.leads(SOON).await?;
    won_by(&mut stage.elector.observe(), "theirs").await?;
    Ok(())
}

#[tokio::test]
async fn the_queue_is_one() -> anyhow::Result<()> {
    let Some(stage) = stage(ZkOptions::new()).await? else { return Ok(()) };
    let mut a = stage.theirs("a").await?;
    a.leads(SOON).await?;
    let mut b = campaign(&stage.elector, "b", "b");
    stage.wait_for("b").await?;
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
    let Some(stage) = stage(ZkOptions::new()).await? else { return Ok(()) };
    let first = stage.elector.campaign(Candidate::new("first")?).await?;
    let mut theirs = stage.theirs("theirs").await?;
    let mut last = campaign(&stage.elector, "last", "last");
    stage.wait_for("last").await?;
    theirs.resign().await?;
    assert_waits(&mut last).await;
    stage.elector.resign(first).await?;
    won(last).await?.check()?;
    Ok(())
}

#[tokio::test]
async fn their_leader_s_death_is_noticed_when_its_session_goes() -> anyhow::Result<()> {
    let Some(stage) = stage(ZkOptions::new()).await? else { return Ok(()) };
    let mut theirs = stage.theirs("theirs").await?;
    theirs.leads(SOON).await?;
    let mut ours = campaign(&stage.elector, "ours", "ours");
    stage.wait_for("ours").await?;
    theirs.kill()?;
    assert_waits(&mut ours).await;
    won(ours).await?.check()?;
    Ok(())
}

#[tokio::test]
async fn they_lead_after_our_session_has_gone() -> anyhow::Result<()> {
    let Some(stage) = stage(ZkOptions::new()).await? else { return Ok(()) };
    let ours = stage.elector.campaign(Candidate::new("ours")?.with_value("ours")?).await?;
    let mut theirs = stage.theirs("theirs").await?;
    let admin = stage.zk.admin().await?;
    let records = admin.records(PATH).await?;
    admin.expire(records[0].session).await?;
    theirs.leads(SOON).await?;
    tokio::time::timeout(SOON, ours.lost()).await?;
    assert!(ours.check().is_err());
    Ok(())
}
