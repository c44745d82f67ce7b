//! What holds between their candidates and ours, whoever they are.

use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use election_core::{Coordinator, Elector};
use testkit::fixture::Service;
use testkit::until;

use crate::ours::{SOON, assert_waits, campaign, vacant, won, won_by};

const ROOT: &str = "election";

/// Servers on which their candidates contend with ours.
#[async_trait]
pub(crate) trait Side: Send + Sync {
    /// The servers.
    fn service(&self) -> &dyn Service;

    /// Starts a candidate in the election at this path: ours are at `/<root>/<election>`.
    async fn join(&self, path: &str, value: &str) -> Result<Box<dyn Theirs>>;
}

/// A candidate of theirs, which is killed when dropped, and an observer of theirs.
#[async_trait]
pub(crate) trait Theirs: Send {
    /// Waits until it believes to lead.
    async fn leads(&mut self) -> Result<()>;

    /// Whether it has said by now that it leads.
    fn leads_now(&mut self) -> bool;

    /// Waits until the observer sees the candidate with this value lead.
    async fn sees(&mut self, value: &str) -> Result<()>;

    /// Resigns, or leaves the queue.
    async fn resign(&mut self) -> Result<()>;
}

pub(crate) fn has_resigned<T>() -> Result<T> {
    bail!("it has resigned before")
}

/// Their servers, and us on them.
pub(crate) struct Stage<S> {
    side: S,
    coordinator: Arc<dyn Coordinator>,
    elector: Arc<dyn Elector>,
}

impl<S: Side> Stage<S> {
    pub(crate) async fn new(side: S) -> Result<Self> {
        let url = side.service().url(&side.service().endpoints().join(","), ROOT);
        let coordinator = election::connect(&url).await?;
        let elector = coordinator.elector("billing")?;
        Ok(Self { side, coordinator, elector })
    }

    /// Starts one of theirs, and waits until it has its place in the queue.
    async fn theirs(&self, value: &str) -> Result<Box<dyn Theirs>> {
        let theirs = self.side.join(&format!("/{ROOT}/billing"), value).await?;
        self.wait_for(value).await?;
        Ok(theirs)
    }

    /// Waits until the candidate with this value has its place in the queue.
    async fn wait_for(&self, value: &str) -> Result<()> {
        let election = self.elector.election();
        until(&format!("the record of {value}"), SOON, || async {
            let records = self.side.service().records(ROOT, election).await?;
            Ok(records.iter().any(|record| record.value == value.as_bytes()).then_some(()))
        })
        .await
    }

    /// Ends the session of the leader's record, as time would.
    async fn end_first_session(&self) -> Result<()> {
        let records = self.side.service().records(ROOT, self.elector.election()).await?;
        self.side.service().end_session(records[0].session).await
    }
}

/// Ours, theirs, ours again, seen by observers of both sides.
pub(crate) async fn we_take_turns(stage: Stage<impl Side>) -> Result<()> {
    let mut events = stage.elector.observe();
    let first = won(campaign(&stage.elector, "ours", "our value")).await?;
    assert_eq!(won_by(&mut events, "our value").await?.token, first.token());

    let mut theirs = stage.theirs("their value").await?;
    theirs.sees("our value").await?;
    assert!(!theirs.leads_now(), "they lead while we do");

    stage.elector.resign(first).await?;
    theirs.leads().await?;
    theirs.sees("their value").await?;
    let their_lead = won_by(&mut events, "their value").await?;

    let mut second = campaign(&stage.elector, "ours-again", "our second value");
    assert_waits(&mut second).await;
    theirs.resign().await?;
    let second = won(second).await?;
    assert!(second.token() > their_lead.token, "tokens increase across the two implementations");
    theirs.sees("our second value").await?;
    assert_eq!(won_by(&mut events, "our second value").await?.token, second.token());
    stage.elector.resign(second).await?;
    vacant(&mut events).await?;
    Ok(stage.coordinator.close().await?)
}

pub(crate) async fn an_observer_that_comes_late_sees_their_leader(stage: Stage<impl Side>) -> Result<()> {
    stage.theirs("theirs").await?.leads().await?;
    won_by(&mut stage.elector.observe(), "theirs").await?;
    Ok(())
}

pub(crate) async fn the_queue_is_one(stage: Stage<impl Side>) -> Result<()> {
    let mut a = stage.theirs("a").await?;
    a.leads().await?;
    let mut b = campaign(&stage.elector, "b", "b");
    stage.wait_for("b").await?;
    let mut c = stage.theirs("c").await?;

    assert_waits(&mut b).await;
    a.resign().await?;
    let b = won(b).await?;
    assert!(!c.leads_now(), "who came last leads first");
    stage.elector.resign(b).await?;
    c.leads().await
}

pub(crate) async fn a_candidate_of_theirs_that_gives_up_is_skipped(stage: Stage<impl Side>) -> Result<()> {
    let first = won(campaign(&stage.elector, "first", "first")).await?;
    let mut theirs = stage.theirs("theirs").await?;
    let mut last = campaign(&stage.elector, "last", "last");
    stage.wait_for("last").await?;
    theirs.resign().await?;
    assert_waits(&mut last).await;
    stage.elector.resign(first).await?;
    won(last).await?.check()?;
    Ok(())
}

pub(crate) async fn their_leader_s_death_is_noticed_when_its_session_goes(
    stage: Stage<impl Side>,
) -> Result<()> {
    let mut theirs = stage.theirs("theirs").await?;
    theirs.leads().await?;
    let mut ours = campaign(&stage.elector, "ours", "ours");
    stage.wait_for("ours").await?;
    // Killed, not asked: nobody removes the record.
    drop(theirs);
    assert_waits(&mut ours).await;
    stage.end_first_session().await?;
    won(ours).await?.check()?;
    Ok(())
}

pub(crate) async fn they_lead_after_our_session_has_gone(stage: Stage<impl Side>) -> Result<()> {
    let ours = won(campaign(&stage.elector, "ours", "ours")).await?;
    let mut theirs = stage.theirs("theirs").await?;
    stage.end_first_session().await?;
    theirs.leads().await?;
    tokio::time::timeout(SOON, ours.lost()).await?;
    assert!(ours.check().is_err());
    Ok(())
}

pub(crate) async fn another_election_of_theirs_is_none_of_our_business(
    stage: Stage<impl Side>,
) -> Result<()> {
    let mut theirs = stage.side.join(&format!("/{ROOT}/billing2"), "theirs").await?;
    theirs.leads().await?;
    won(campaign(&stage.elector, "ours", "ours")).await?.check()?;
    Ok(())
}

/// Every law as a test on `side(number of servers)` of the module; nothing where the tools are missing.
macro_rules! hold {
    () => {
        $crate::laws::hold! {
            we_take_turns on 1: we_take_turns_on_one_server;
            we_take_turns on 3: we_take_turns_on_three_servers;
            an_observer_that_comes_late_sees_their_leader on 1: an_observer_that_comes_late_sees_their_leader;
            the_queue_is_one on 1: the_queue_is_one;
            a_candidate_of_theirs_that_gives_up_is_skipped on 1: a_candidate_of_theirs_that_gives_up_is_skipped;
            their_leader_s_death_is_noticed_when_its_session_goes on 1:
                their_leader_s_death_is_noticed_when_its_session_goes;
            they_lead_after_our_session_has_gone on 1: they_lead_after_our_session_has_gone;
            another_election_of_theirs_is_none_of_our_business on 1:
                another_election_of_theirs_is_none_of_our_business;
        }
    };
    ($($law:ident on $servers:literal: $test:ident;)*) => {
        $(#[tokio::test]
        async fn $test() -> anyhow::Result<()> {
            let Some(side) = side($servers).await? else { return Ok(()) };
            $crate::laws::$law($crate::laws::Stage::new(side).await?).await
        })*
    };
}
pub(crate) use hold;
