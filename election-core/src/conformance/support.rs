//! What the laws are written with: waiting for events with a bound, and never for a time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::fixture::{Fixture, Process};
use crate::{Candidate, ElectionName, Elector, Error, Leadership, LeadershipHandle, Result, clock::Instant};

/// For what no law bounds: only a hang takes longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a future that waits for somebody else's act is watched for not moving on.
pub(super) const QUIET: Duration = Duration::from_millis(60);

pub(super) fn name(name: &str) -> ElectionName {
    ElectionName::new(name).expect("a valid name")
}

pub(super) fn candidate(id: &str) -> Candidate {
    Candidate::new(id).expect("a valid id")
}

pub(super) fn elector(process: &dyn Process, election: &ElectionName) -> Arc<dyn Elector> {
    process.coordinator().elector(election.as_str()).expect("a valid name")
}

/// The future's output, or a panic that says what was waited for.
pub(super) async fn within<T>(bound: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match timeout(bound, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {bound:?} in vain: {what}"),
    }
}

/// Asks until the answer is yes.
pub(super) async fn eventually<F: Future<Output = bool>>(
    bound: Duration,
    what: &str,
    mut question: impl FnMut() -> F,
) {
    within(bound, what, async {
        while !question().await {
            sleep(Duration::from_millis(3)).await;
        }
    })
    .await;
}

/// Waits until the service itself shows this number of records.
pub(super) async fn records(fixture: &dyn Fixture, election: &ElectionName, count: usize, bound: Duration) {
    let what = format!("{count} records in election {election}");
    eventually(bound, &what, || async { fixture.records(election).await == count }).await;
}

/// Campaigns and wins: for laws in which nobody stands in the way and nothing went wrong before.
pub(super) async fn lead(process: &dyn Process, election: &ElectionName) -> Leadership {
    Campaign::start(process, election).wins(PATIENCE).await
}

/// The same after a fault: a campaign may still be told of it, by a retryable error, and is then repeated.
pub(super) async fn lead_again(process: &dyn Process, election: &ElectionName) -> Leadership {
    Campaign::start_again(process, election).wins(PATIENCE).await
}

/// Waits until a renewal has moved the deadline: it then rests on renewals, and not on the opening of the session.
pub(super) async fn renewed(leadership: &Leadership) {
    let until = leadership.valid_until().expect("valid");
    let moved = || async { leadership.valid_until().expect("a renewed leadership is valid") > until };
    eventually(PATIENCE, "a renewal", moved).await;
}

/// A campaign that runs by itself. Dropping it drops the campaign.
pub(super) struct Campaign(JoinHandle<Result<Leadership>>);

impl Campaign {
    pub(super) fn start(process: &dyn Process, election: &ElectionName) -> Self {
        let elector = elector(process, election);
        Self(tokio::spawn(async move { elector.campaign(candidate("entrant")).await }))
    }

    /// Starts it after a fault: retryable errors are not its end.
    pub(super) fn start_again(process: &dyn Process, election: &ElectionName) -> Self {
        let elector = elector(process, election);
        Self(tokio::spawn(async move {
            loop {
                match elector.campaign(candidate("entrant")).await {
                    Err(error) if error.is_retryable() => sleep(Duration::from_millis(10)).await,
                    result => return result,
                }
            }
        }))
    }

    /// Starts it after a fault and waits until its record is the `place`-th of the election.
    pub(super) async fn queued_again(
        fixture: &dyn Fixture,
        process: &dyn Process,
        election: &ElectionName,
        place: usize,
    ) -> Self {
        Self::start_again(process, election).takes_place(fixture, election, place).await
    }

    /// Starts it and waits until its record is the `place`-th of the election.
    pub(super) async fn queued(
        fixture: &dyn Fixture,
        process: &dyn Process,
        election: &ElectionName,
        place: usize,
    ) -> Self {
        Self::start(process, election).takes_place(fixture, election, place).await
    }

    async fn takes_place(mut self, fixture: &dyn Fixture, election: &ElectionName, place: usize) -> Self {
        tokio::select! {
            biased;
            () = records(fixture, election, place, PATIENCE) => return self,
            result = &mut self.0 => {
                let result = result.expect("a campaign does not panic");
                let leadership = result.expect("a campaign that takes its place in the queue");
                // Elected: it was the first. The record is there, or the next question panics.
                self.0 = tokio::spawn(async move { Ok(leadership) });
            }
        }
        records(fixture, election, place, PATIENCE).await;
        self
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    pub(super) async fn result(&mut self, bound: Duration, what: &str) -> Result<Leadership> {
        within(bound, what, &mut self.0).await.expect("a campaign does not panic")
    }

    pub(super) async fn wins(mut self, bound: Duration) -> Leadership {
        self.result(bound, "the election of the next candidate").await.expect("elected")
    }

    pub(super) async fn fails(mut self, bound: Duration) -> Error {
        self.result(bound, "the failure of a campaign").await.expect_err("a campaign that cannot be won")
    }

    /// Panics if it moves on by itself.
    pub(super) async fn keeps_waiting(&mut self) {
        if let Ok(result) = timeout(QUIET, &mut self.0).await {
            panic!(
                "a campaign that should wait ended with {:?}",
                result.map(|won| won.map(|won| won.token()))
            );
        }
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How far a future came before it was dropped.
pub(super) enum Stage<T> {
    /// To its end.
    Done(T),
    /// Pending after the last poll that it was granted.
    Dropped,
    /// Fewer polls than it was granted: it waits for somebody else's act.
    Waiting,
}

/// Drops a future after `polls` polls: with growing numbers, at every await point that it has.
pub(super) async fn drop_at_poll<F: Future>(future: F, polls: usize) -> Stage<F::Output> {
    let mut granted = polls;
    let mut future = pin!(future);
    let limited = poll_fn(|context| {
        if granted == 0 {
            return Poll::Ready(Stage::Dropped);
        }
        granted -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Stage::Done(output)),
            Poll::Pending if granted == 0 => Poll::Ready(Stage::Dropped),
            Poll::Pending => Poll::Pending,
        }
    });
    timeout(QUIET, limited).await.unwrap_or(Stage::Waiting)
}

/// Watches a leadership from a thread of its own, as finely as the machine allows, until its check fails.
pub(super) struct LastClaim(oneshot::Receiver<Instant>);

impl LastClaim {
    pub(super) fn watch(handle: LeadershipHandle) -> Self {
        let (tell, told) = oneshot::channel();
        // Before the check: it held at this moment at the earliest, so a pause accuses nobody.
        let mut last = Instant::now();
        handle.check().expect("valid when the watching begins");
        thread::spawn(move || {
            // A law that has failed meanwhile is not waited for.
            while !tell.is_closed() {
                let before = Instant::now();
                if handle.check().is_err() {
                    break;
                }
                last = before;
                thread::sleep(Duration::from_micros(200));
            }
            let _ = tell.send(last);
        });
        Self(told)
    }

    /// When the last check succeeded that is known to have.
    pub(super) async fn at(self, bound: Duration) -> Instant {
        within(bound, "the end of a leadership", self.0).await.expect("the thread tells")
    }
}

/// The first claim of a successor: to be taken right after its election.
pub(super) fn first_claim(successor: &Leadership) -> Instant {
    successor.check().expect("the successor leads");
    // After the check: it held at this moment at the latest.
    Instant::now()
}

/// Panics unless the old leader's last claim was over when the successor claimed first.
pub(super) fn assert_no_overlap(last: Instant, first: Instant) {
    let overlap = last.saturating_duration_since(first);
    assert!(overlap.is_zero(), "the old leader's check still succeeded {overlap:?} after the successor's");
}
