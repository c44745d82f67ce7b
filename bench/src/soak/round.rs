//! [`Stage`]: one process with its coordinators, and a [`Round`] on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use election::{Candidate, Coordinator, Elector, LeaderEvent, Leadership};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use tokio::task::JoinSet;

use crate::memory::Footprint;
use crate::rig::Rig;

/// How many campaigns are under way at a time: enough to share commits, not enough to overrun a server.
const AT_A_TIME: usize = 256;

/// How long the process may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked at, and how many looks in a row must see the same.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 5;

/// What a renewal under way may have allocated between two looks.
const STILL: i64 = 16 * 1024;

/// How much is done in a round.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Elections that are held.
    pub elections: usize,
    /// Candidates that wait in the first of those.
    pub waiters: usize,
    /// Observers of the first of them.
    pub observers: usize,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elections, waiters, observers } = self;
        write!(f, "{elections} elections, {waiters} waiters, {observers} observers a round")
    }
}

/// What a round has seen.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// What it did.
    pub load: Load,
    /// Before anything.
    pub rest: Footprint,
    /// With every election held.
    pub held: Footprint,
    /// The same, and candidates waiting.
    pub waiting: Footprint,
    /// The same, and observers.
    pub observing: Footprint,
    /// At rest, with one more session in which one election is held.
    pub session: Footprint,
    /// At the end.
    pub after: Footprint,
}

/// A process with two coordinators, as they last for its life.
pub struct Stage {
    home: Arc<dyn Coordinator>,
    away: Arc<dyn Coordinator>,
}

impl Stage {
    /// Connects.
    ///
    /// # Errors
    /// When that fails.
    pub async fn new(rig: &Rig) -> Result<Self> {
        Ok(Self { home: rig.home().await?, away: rig.away().await? })
    }

    /// Everything once.
    ///
    /// # Errors
    /// When the service fails, or the process does not come to rest.
    pub async fn round(&self, rig: &Rig, load: Load) -> Result<Round> {
        let rest = at_rest().await?;
        let leaderships = win(&*self.home, load.elections).await?;
        let held = at_rest().await?;
        let mut waiters = self.queue(load.waiters)?;
        let waiting = at_rest().await?;
        let observers = self.observe(load.observers).await?;
        let observing = at_rest().await?;
        drop(observers);
        // Some give up, the others are elected and resign; some leaders resign, the others drop their leadership.
        waiters.truncate(load.waiters / 2);
        give_back(leaderships).await?;
        for waiter in waiters {
            waiter.await??;
        }
        let base = at_rest().await?;
        let session = session(rig).await?;
        let session = Footprint {
            // Counted from the process at rest, which this round may have left a little larger.
            heap: session.heap - base.heap + rest.heap,
            ..session
        };
        let after = at_rest().await?;
        Ok(Round { load, rest, held, waiting, observing, session, after })
    }

    /// Candidates of the other coordinator, behind the leaders of the first elections.
    fn queue(&self, waiters: usize) -> Result<Vec<Waiter>> {
        let waiter = |i| {
            let elector = self.away.elector(&name(i))?;
            Ok(Waiter(Some(tokio::spawn(async move {
                elector.campaign(Candidate::new("waiter")?).await?.resign().await?;
                anyhow::Ok(())
            }))))
        };
        (0..waiters).map(waiter).collect()
    }

    /// Observers that know the present leader.
    async fn observe(&self, observers: usize) -> Result<JoinSet<()>> {
        let elector = self.away.elector(&name(0))?;
        let mut tasks = JoinSet::new();
        let first = (0..observers).map(|_| {
            let mut events = elector.observe();
            let (sender, first) = tokio::sync::oneshot::channel();
            tasks.spawn(async move {
                let mut sender = Some(sender);
                while let Some(event) = events.next().await {
                    // The first may be `Disconnected`, on a busy machine.
                    if let Ok(LeaderEvent::Elected(_)) = event
                        && let Some(sender) = sender.take()
                    {
                        let _ = sender.send(());
                    }
                }
            });
            first
        });
        try_join_all(first.collect::<Vec<_>>()).await.context("an observer ended")?;
        Ok(tasks)
    }
}

/// A candidate on a task of its own; dropped, it gives up.
struct Waiter(Option<tokio::task::JoinHandle<Result<()>>>);

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl IntoFuture for Waiter {
    type Output = Result<Result<()>, tokio::task::JoinError>;
    type IntoFuture = tokio::task::JoinHandle<Result<()>>;

    fn into_future(mut self) -> Self::IntoFuture {
        self.0.take().expect("it is taken once: by this, or by the drop")
    }
}

fn name(i: usize) -> String {
    format!("soak-{i}")
}

async fn win(coordinator: &dyn Coordinator, elections: usize) -> Result<Vec<Leadership>> {
    let campaign = async |i| {
        let elector: Arc<dyn Elector> = coordinator.elector(&name(i))?;
        elector.campaign(Candidate::new("leader")?).await
    };
    Ok(stream::iter(0..elections).map(campaign).buffer_unordered(AT_A_TIME).try_collect().await?)
}

async fn give_back(leaderships: Vec<Leadership>) -> Result<()> {
    let give_back = async |(i, leadership): (usize, Leadership)| {
        if i % 2 == 0 {
            return leadership.resign().await;
        }
        drop(leadership);
        Ok(())
    };
    let all = stream::iter(leaderships.into_iter().enumerate()).map(give_back);
    Ok(all.buffer_unordered(AT_A_TIME).try_collect().await?)
}

/// A session that comes, leads once, and goes.
async fn session(rig: &Rig) -> Result<Footprint> {
    let coordinator = rig.away().await?;
    let leadership = coordinator.elector("soak-session")?.campaign(Candidate::new("visitor")?).await?;
    let footprint = at_rest().await?;
    leadership.resign().await?;
    coordinator.close().await?;
    Ok(footprint)
}

/// The process once nothing changes any more.
async fn at_rest() -> Result<Footprint> {
    let (mut last, mut same) = (Footprint::now()?, 0);
    for _ in 0..REST_WITHIN.as_millis() / LOOK_EVERY.as_millis() {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = Footprint::now()?;
        let still =
            now.tasks == last.tasks && now.files == last.files && (now.heap - last.heap).abs() < STILL;
        same = if still { same + 1 } else { 0 };
        last = now;
        // Sooner it would be the state between two steps of the same work.
        if same >= LOOKS {
            return Ok(now);
        }
    }
    bail!("the process did not come to rest within {REST_WITHIN:?}: {last:?}")
}
