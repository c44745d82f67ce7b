//! `lead`, dropped: the work stops first, and nothing is left behind.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::fixture::Fixture;
use super::support::{Campaign, Stage, candidate, drop_at_poll, elector, eventually, lead, records, within};
use crate::{ElectorExt, Kind, LeadershipHandle};

/// No future is polled this often before it is ready or waits for somebody.
const MANY: usize = 10_000;

/// Sees the work begin and end.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Option<Seen>>>);

#[derive(Clone)]
struct Seen {
    leadership: LeadershipHandle,
    /// Whether the leadership still held when the work was dropped, once it was.
    led: Option<bool>,
}

impl Witness {
    fn begin(&self, leadership: &LeadershipHandle) -> Working {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Seen { leadership: leadership.clone(), led: None });
        Working(self.clone())
    }

    /// Panics unless the claim is over, and the work was over before.
    fn work_ended_first(&self, polls: usize) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Seen { leadership, led }) = seen {
            assert_eq!(led, Some(true), "dropped after {polls} polls: the work outlived the leadership");
            assert!(leadership.check().is_err(), "dropped after {polls} polls: the claim outlived lead");
        }
    }
}

/// Held by the work.
struct Working(Witness);

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(seen) = &mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) {
            seen.led = Some(seen.leadership.check().is_ok());
        }
    }
}

/// Dropped at every await point of campaign, work and resign.
pub async fn a_lead_dropped_anywhere_leaves_nothing(fixture: &dyn Fixture) {
    let (process, other, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    lead(&*process, &election).await.resign().await.expect("confirmed");
    lead(&*other, &election).await.resign().await.expect("confirmed");
    let elector = elector(&*process, &election);
    for polls in 0..MANY {
        let witness = Witness::default();
        let work = {
            let witness = witness.clone();
            move |leadership: LeadershipHandle| async move {
                let _working = witness.begin(&leadership);
                for _ in 0..3 {
                    yield_now().await;
                }
            }
        };
        let stage = drop_at_poll(elector.lead(candidate("dropped"), work), polls).await;
        witness.work_ended_first(polls);
        records(fixture, &election, 0, fixture.prompt()).await;
        // What was still on its way, and was not taken back, would stand before this one.
        let after = Campaign::start(&*other, &election).wins(fixture.prompt()).await;
        after.resign().await.expect("confirmed");
        if let Stage::Done(led) = stage {
            led.expect("led");
            break;
        }
        assert!(polls + 1 < MANY, "the work never ended");
    }
    records(fixture, &election, 0, fixture.prompt()).await;
}

/// Dropped at every await point between the loss of the leadership and the end of the work that does not stop.
pub async fn a_lead_dropped_while_it_drains_leaves_nothing(fixture: &dyn Fixture) {
    let (process, other, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let elector = elector(&*process, &election);
    for polls in 0..MANY {
        let (tell, told) = oneshot::channel();
        let work = |leadership: LeadershipHandle| async move {
            // Dropped with the work: whoever asks then learns that it is over.
            let (working, stopped) = oneshot::channel::<()>();
            let _ = tell.send((leadership, stopped));
            pending::<()>().await;
            drop(working);
        };
        let mut leading = Box::pin(elector.lead(candidate("dropped"), work));
        let (leadership, mut stopped) = tokio::select! {
            end = &mut leading => panic!("{end:?} before the work began"),
            told = told => told.expect("the work begins"),
        };
        // It rests in its work, with its signal of a loss set up.
        assert!(!matches!(drop_at_poll(&mut leading, 2).await, Stage::Done(_)));
        fixture.delete_record(&election, leadership.token()).await;
        let deposed = || async { leadership.check().is_err() };
        eventually(fixture.prompt(), "the loss of a deleted record", deposed).await;
        let stage = drop_at_poll(&mut leading, polls).await;
        assert!(
            stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty),
            "dropped without its time to drain"
        );
        if let Stage::Waiting = stage {
            // It waits for the work. Left alone, it ends at the deadline.
            let end = within(fixture.ttl() * 2, "the end of work that does not stop", leading).await;
            assert_eq!(end.expect_err("the work was dropped").kind(), Kind::SessionLost);
            break;
        }
        drop(leading);
        assert!(stopped.try_recv() == Err(oneshot::error::TryRecvError::Closed), "the work outlived lead");
        records(fixture, &election, 0, fixture.prompt()).await;
        Campaign::start(&*other, &election).wins(fixture.prompt()).await.resign().await.expect("confirmed");
        assert!(polls + 1 < MANY, "it never came to rest");
    }
    records(fixture, &election, 0, fixture.prompt()).await;
}
