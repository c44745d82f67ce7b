//! False clocks, by libfaketime on one of our processes.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

use super::{
    Aim, Exercise, Nemesis, Struck,
    victim::{Role, Victim},
};
use crate::{
    ground::{Clock, Ground, Worker},
    history::Stamp,
    poll::until,
};

/// How long a worker may take to get its turn: those before it hold for a few seconds each.
const LEADS_WITHIN: Duration = Duration::from_secs(90);

/// How far the rate that is seen may be from the one that is asked for: two looks at two clocks are not one.
const TOLERANCE: f64 = 0.05;

/// Starts a waiting worker anew, in good order, with that clock.
async fn give(ground: &Ground, victim: &Victim, clock: Clock) -> Result<()> {
    let worker = victim.worker(ground);
    worker.end().await?;
    worker.start(clock)
}

/// Waits until a worker has led for a while since `since`, and says how fast its deadlines' clock ran.
async fn rate_seen(worker: &Worker, since: Stamp) -> Result<f64> {
    let what = format!("{worker} to lead for a while");
    until(&what, LEADS_WITHIN, || async { worker.clock_rate(since) }).await
}

/// One worker's clocks run too fast or too slow. The slow one is told how slow it may be.
pub(super) struct Rate {
    pub(super) rate: f64,
    pub(super) victim: Option<Victim>,
    pub(super) seen: Option<f64>,
}

#[async_trait]
impl Nemesis for Rate {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, Role::Waiter).await?);
        Ok(Aim { target: format!("{} ×{}", victim.worker(ground), self.rate), ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        give(ground, victim, Clock::Rate(self.rate)).await
    }

    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        let since = Stamp::now();
        tokio::time::sleep(lasts).await;
        if let Some(victim) = &self.victim {
            self.seen = Some(rate_seen(victim.worker(ground), since).await?);
        }
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let Some(victim) = &self.victim else { return Ok(Exercise::Missed("nobody was found".into())) };
        give(ground, victim, Clock::True).await?;
        let seen = self.seen.unwrap_or(1.0);
        let near = (seen - self.rate).abs() <= TOLERANCE;
        Ok(Exercise::when(near, format!("its deadlines' clock ran ×{seen:.2} and not ×{}", self.rate)))
    }
}

/// One worker's wall clock is set an hour forward and an hour back while it leads.
#[derive(Default)]
pub(super) struct Step {
    victim: Option<Victim>,
    led: bool,
}

/// libfaketime looks for a new time once a second.
const SEEN_WITHIN: Duration = Duration::from_millis(1100);

#[async_trait]
impl Nemesis for Step {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, Role::Waiter).await?);
        Ok(Aim { target: format!("{} ±1 h", victim.worker(ground)), ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        give(ground, victim, Clock::Steppable).await
    }

    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        let worker = victim.worker(ground);
        let what = format!("{worker} to lead");
        let leads = until(&what, LEADS_WITHIN, || async { worker.led_at(Stamp::now()) });
        leads.await?;
        for seconds in [3600, -3600] {
            worker.step_clock(seconds)?;
            tokio::time::sleep((lasts / 2).max(SEEN_WITHIN)).await;
            self.led |= worker.led_at(Stamp::now())?.is_some();
        }
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let Some(victim) = &self.victim else { return Ok(Exercise::Missed("nobody was found".into())) };
        give(ground, victim, Clock::True).await?;
        Ok(Exercise::when(self.led, "it did not lead while its wall clock was false"))
    }
}
