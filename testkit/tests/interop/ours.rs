//! Words that the tests of interoperability share.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use election_core::{Candidate, Elector, Leader, LeaderEvent, LeaderEvents, Leadership};
use futures::StreamExt;
use tokio::{task::JoinHandle, time::timeout};

/// A bound for what should take milliseconds, on a machine whose two cores are busy.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Long enough for a wrong winner to show itself.
const A_WHILE: Duration = Duration::from_millis(300);

/// A campaign in the background.
pub(crate) type Campaign = JoinHandle<election_core::Result<Leadership>>;

/// Enters the election.
pub(crate) fn campaign(elector: &Arc<dyn Elector>, id: &'static str, value: &'static str) -> Campaign {
    let elector = Arc::clone(elector);
    tokio::spawn(async move { elector.campaign(Candidate::new(id)?.with_value(value)?).await })
}

/// Asserts that the campaign is not over.
pub(crate) async fn assert_waits(campaign: &mut Campaign) {
    let early = timeout(A_WHILE, campaign).await;
    assert!(early.is_err(), "the campaign ended while another leads: {early:?}");
}

/// Waits until the campaign is won.
pub(crate) async fn won(campaign: Campaign) -> Result<Leadership> {
    Ok(timeout(SOON, campaign).await.context("the campaign is not won")???)
}

/// Waits for the event that a candidate with this value leads.
pub(crate) async fn won_by(events: &mut LeaderEvents, value: &str) -> Result<Leader> {
    let wait =
        next(events, |event| event.leader().filter(|leader| leader.value == value.as_bytes()).cloned());
    wait.await.with_context(|| format!("waiting to see {value} lead"))
}

/// Waits for the event that nobody leads.
pub(crate) async fn vacant(events: &mut LeaderEvents) -> Result<()> {
    next(events, |event| matches!(event, LeaderEvent::Vacant).then_some(()))
        .await
        .context("waiting to see nobody lead")
}

async fn next<T>(events: &mut LeaderEvents, wanted: impl Fn(&LeaderEvent) -> Option<T>) -> Result<T> {
    let search = async {
        loop {
            let event = events.next().await.context("the observation has ended")??;
            if let Some(found) = wanted(&event) {
                return anyhow::Ok(found);
            }
        }
    };
    timeout(SOON, search).await?
}
