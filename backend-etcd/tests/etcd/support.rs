//! What the tests of this crate share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use backend_etcd::EtcdCoordinator;
use election_core::{Candidate, Coordinator, Elector, LeaderEvent, LeaderEvents, Leadership, Loss};
use futures::StreamExt;
use testkit::etcd::Etcd;
use testkit::need::{self, Tool};

/// Far above what anything here takes: a test that waits so long has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Logs go where the test harness captures them.
pub(crate) fn log() {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "backend_etcd=debug".to_owned());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// One server, or `None` on a machine without etcd (under CI that fails).
pub(crate) async fn single() -> Result<Option<Etcd>> {
    if !need::has(Tool::Etcd) {
        return Ok(None);
    }
    Ok(Some(Etcd::single().await?))
}

/// Three of them.
pub(crate) async fn three() -> Result<Option<Etcd>> {
    if !need::has(Tool::Etcd) {
        return Ok(None);
    }
    Ok(Some(Etcd::three().await?))
}

/// The URL of all servers.
pub(crate) fn url(etcd: &Etcd, parameters: &str) -> String {
    format!("etcd://{}?{parameters}", etcd.endpoints().join(","))
}

pub(crate) async fn connect(etcd: &Etcd, parameters: &str) -> Result<Arc<EtcdCoordinator>> {
    log();
    Ok(backend_etcd::connect(&url(etcd, parameters)).await?)
}

pub(crate) fn candidate(id: &str) -> Candidate {
    Candidate::new(id).unwrap().with_value(format!("value of {id}")).unwrap()
}

/// Campaigns, with a bound.
pub(crate) async fn win(coordinator: &EtcdCoordinator, election: &str, id: &str) -> Result<Leadership> {
    let elector = coordinator.elector(election)?;
    Ok(within(elector.campaign(candidate(id))).await??)
}

/// Campaigns in the background.
pub(crate) fn enter(
    elector: &Arc<dyn Elector>,
    id: &str,
) -> tokio::task::JoinHandle<election_core::Result<Leadership>> {
    let (elector, candidate) = (elector.clone(), candidate(id));
    tokio::spawn(async move { elector.campaign(candidate).await })
}

pub(crate) async fn within<F: Future>(future: F) -> Result<F::Output> {
    tokio::time::timeout(BOUND, future).await.context("it took too long")
}

/// Waits until so many records are under a prefix.
pub(crate) async fn records(etcd: &Etcd, prefix: &str, count: usize) -> Result<Vec<testkit::Record>> {
    testkit::until(&format!("{count} records under {prefix}"), BOUND, || async {
        let admin = etcd.admin().await?;
        let records = admin.records(prefix).await?;
        Ok((records.len() == count).then_some(records))
    })
    .await
}

/// Waits until a leadership is lost, and says why.
pub(crate) async fn loss(leadership: &Leadership) -> Result<Loss> {
    within(leadership.lost()).await
}

/// Waits until a renewal that was sent from now on has been proven. One may be under way, so it is the second to come.
pub(crate) async fn renewed(leadership: &Leadership) -> Result<()> {
    for _ in 0..2 {
        let before = leadership.valid_until()?;
        testkit::until("a renewal", BOUND, || async {
            Ok((leadership.valid_until()? > before).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// The next event of an observation.
pub(crate) async fn event(events: &mut LeaderEvents) -> Result<LeaderEvent> {
    Ok(within(events.next()).await?.context("the observation ended")??)
}

/// Waits for an event that satisfies a condition, and skips the others.
pub(crate) async fn event_where(
    events: &mut LeaderEvents,
    condition: impl Fn(&LeaderEvent) -> bool,
) -> Result<LeaderEvent> {
    loop {
        let event = event(events).await?;
        if condition(&event) {
            return Ok(event);
        }
    }
}

/// A future that is dropped after so many polls.
pub(crate) struct Polls<F> {
    future: Option<Pin<Box<F>>>,
    left: usize,
}

impl<F: Future> Polls<F> {
    pub(crate) fn new(future: F, polls: usize) -> Self {
        Self { future: Some(Box::pin(future)), left: polls }
    }
}

impl<F: Future> Future for Polls<F> {
    /// `None` if it was dropped first.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            self.future = None;
            return Poll::Ready(None);
        }
        self.left -= 1;
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Dropped at once after its last poll, wherever it stands.
            Poll::Pending if self.left == 0 => {
                self.future = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
