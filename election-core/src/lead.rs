//! [`ElectorExt`]: campaign, work, drain, resign — in the right order.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;

use crate::backoff::Backoff;
use crate::candidate::Candidate;
use crate::elector::Elector;
use crate::error::{Error, Kind, Operation, Result};
use crate::event::{Leader, LeaderEvent};
use crate::leadership::{Leadership, LeadershipHandle, Loss};

/// What can be built on an [`Elector`] without knowing the backend.
pub trait ElectorExt: Elector {
    /// Campaigns until elected, runs `work` with a view of the leadership, and resigns once it has stopped.
    ///
    /// A retryable failure of the campaign (no service yet, a session lost while waiting) is logged and
    /// retried with a growing, jittered delay, for ever. When the leadership is lost while the work runs,
    /// [`lost`](LeadershipHandle::lost) fires in it; the work has, at the longest, until the deadline that stood
    /// then to stop by itself, and is dropped at that moment (after a suspend of the machine, with the next renewal). It
    /// is dropped at once when the coordinator is closed. So no two processes run it at the same time, as long as what
    /// it does is over when its future is dropped, with one exception: whose record or session is removed from outside
    /// has a successor at once, beside work that does not stop when it is told.
    ///
    /// ```
    /// # use election_core::{memory, Candidate, Coordinator, ElectorExt};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let elector = memory::Service::default().connect().elector("billing")?;
    /// let charged = elector
    ///     .lead(Candidate::new("worker-1")?, |leadership| async move {
    ///         let mut charged = 0;
    ///         while charged < 3 && leadership.check().is_ok() {
    ///             charged += 1; // charge an invoice, write it back through a gate
    ///         }
    ///         charged
    ///     })
    ///     .await?;
    /// assert_eq!(charged, 3);
    /// # Ok::<(), election_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Kind::SessionLost`] if leadership was lost and the work did not stop before the deadline; and the
    /// errors of [`campaign`](Elector::campaign) that are not retryable. A resignation that is not confirmed
    /// is logged, not returned: the work is done.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work, then resigns in the background.
    fn lead<W, F, T>(&self, candidate: Candidate, work: W) -> impl Future<Output = Result<T>> + Send
    where
        W: FnOnce(LeadershipHandle) -> F + Send,
        F: Future<Output = T> + Send,
        T: Send,
    {
        async move {
            let leadership = campaign_until_elected(self, candidate).await?;
            let handle = leadership.handle();
            tracing::info!(election = %handle.election(), token = %handle.token(), "elected");
            let done = run_until_deadline(&handle, work(handle.clone())).await;
            let token = leadership.token();
            let election = leadership.election().clone();
            match self.resign(leadership).await {
                Ok(()) => tracing::info!(%election, %token, "resigned"),
                Err(error) if error.kind() == Kind::NotLeader => {
                    tracing::warn!(%election, %token, %error, "leadership was lost");
                }
                Err(error) => tracing::warn!(%election, %token, %error, "resignation not confirmed"),
            }
            done
        }
    }

    /// The present leader, by one observation.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if the service cannot be reached, and the errors of
    /// [`observe`](Elector::observe).
    ///
    /// # Cancel safety
    /// Cancel safe.
    fn leader(&self) -> impl Future<Output = Result<Option<Leader>>> + Send {
        async move {
            match self.observe().next().await {
                Some(Ok(LeaderEvent::Elected(leader))) => Ok(Some(leader)),
                Some(Ok(LeaderEvent::Vacant)) => Ok(None),
                Some(Err(error)) => Err(error),
                Some(Ok(LeaderEvent::Disconnected { .. })) | None => {
                    Err(Error::new(Kind::Unavailable, Operation::Observe).election(self.election()))
                }
            }
        }
    }
}

impl<E: Elector + ?Sized> ElectorExt for E {}

async fn campaign_until_elected<E: Elector + ?Sized>(
    elector: &E,
    candidate: Candidate,
) -> Result<Leadership> {
    let mut backoff = Backoff::default();
    loop {
        match elector.campaign(candidate.clone()).await {
            Err(error) if error.is_retryable() => {
                let delay = backoff.next_delay();
                tracing::warn!(election = %elector.election(), %error, ?delay, "campaign failed, retrying");
                tokio::time::sleep(delay).await;
            }
            result => return result,
        }
    }
}

/// Runs the work to its end, or drops it at the last deadline known when leadership was lost.
///
/// That deadline is remembered here, because a lost leadership has none. It may be an older one than the last
/// renewal earned: the work is then dropped sooner, never later.
async fn run_until_deadline<F: Future>(handle: &LeadershipHandle, work: F) -> Result<F::Output> {
    tokio::pin!(work);
    let mut deadline = handle.valid_until();
    let loss = loop {
        let passes = deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(handle.now()));
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            loss = handle.lost() => break loss,
            () = tokio::time::sleep(passes) => deadline = handle.valid_until(),
        }
    };
    // A coordinator that is closed takes the records with it: a successor does not wait for the deadline.
    let deadline = deadline.ok().filter(|_| loss != Loss::Closed);
    let grace = deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(handle.now()));
    tracing::warn!(election = %handle.election(), token = %handle.token(), %loss, ?grace, "leadership lost");
    tokio::time::timeout(grace, work).await.map_err(|_| {
        Error::new(Kind::SessionLost, Operation::Campaign)
            .election(handle.election())
            .message("leadership was lost and the work, which did not stop, was dropped: campaign again")
            .source(loss)
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;
    use crate::clock::TokioClock;
    use crate::elector::Coordinator;
    use crate::memory::Service;

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_at_once_when_the_coordinator_is_closed() {
        let ttl = Duration::from_secs(60);
        let service = Service::builder().ttl(ttl).clock(TokioClock::default()).build().unwrap();
        let coordinator = service.connect();
        let elector = coordinator.elector("e").unwrap();
        let (tell, told) = oneshot::channel();
        let leading = tokio::spawn(async move {
            let work = |leadership: LeadershipHandle| {
                let _ = tell.send(leadership);
                pending::<()>()
            };
            elector.lead(Candidate::new("a").unwrap(), work).await
        });
        let leadership = told.await.unwrap();
        let closed = Instant::now();
        coordinator.close().await.unwrap();
        let error = leading.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), leadership.check()), (Kind::SessionLost, Err(Loss::Closed)));
        assert!(closed.elapsed() < ttl / 60, "it went on for {:?}", closed.elapsed());
    }
}
