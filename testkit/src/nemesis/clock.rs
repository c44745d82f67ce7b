//! False clocks, by libfaketime on one of our processes.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

use super::{
    Aim, Exercise, Nemesis, Struck,
    victim::{Role, Victim},
};
use crate::{
    ground::{Backend, Clock, Ground, Worker},
    history::Stamp,
    poll::until,
};

/// How long a worker may take to get its turn: those before it hold for a few seconds each.
pub(super) const LEADS_WITHIN: Duration = Duration::from_secs(90);

/// How far the rate that is seen may be from the one that is asked for: two looks at two clocks are not one.
const TOLERANCE: f64 = 0.05;

/// Starts a waiting worker anew, in good order, with that clock.
pub(super) async fn give(ground: &Ground, victim: &Victim, clock: Clock) -> Result<()> {
    let worker = victim.worker(ground);
    worker.end().await?;
    worker.start(clock)
}

/// Waits until a worker has led for a while since `since`, and says how fast its deadlines' clock ran.
async fn rate_seen(worker: &Worker, since: Stamp) -> Result<f64> {
    let what = format!("{worker} to lead for a while");
    until(&what, LEADS_WITHIN, || async { worker.clock_rate(since) }).await
}

/// Which way a clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Far too fast, which costs validity and nothing else.
    Fast,
    /// As slow as the backend lets a process allow for with its drift bound.
    Slow,
}

impl Pace {
    fn rate(self, backend: Backend) -> f64 {
        match (self, backend) {
            (Self::Fast, _) => 1.5,
            (Self::Slow, Backend::Etcd | Backend::Raft) => 0.66,
            // With larger bounds its renewals would come too close to each other to be proofs.
            (Self::Slow, Backend::Zk) => 0.76,
        }
    }
}

/// One worker's clocks run too fast or too slow. The slow one is told how slow it may be.
pub(super) struct Rate {
    pub(super) pace: Pace,
    pub(super) victim: Option<Victim>,
    pub(super) seen: Option<f64>,
}

#[async_trait]
impl Nemesis for Rate {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, Role::Client).await?);
        let rate = self.pace.rate(ground.settings().backend);
        Ok(Aim { target: format!("{} ×{rate}", victim.worker(ground)), ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        give(ground, victim, Clock::Rate(self.pace.rate(ground.settings().backend))).await
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
        let rate = self.pace.rate(ground.settings().backend);
        let near = (seen - rate).abs() <= TOLERANCE;
        Ok(Exercise::when(near, format!("its deadlines' clock ran ×{seen:.2} and not ×{rate}")))
    }
}

/// One worker's wall clock is set an hour forward and an hour back while it leads.
#[derive(Default)]
pub(super) struct Step {
    victim: Option<Victim>,
    /// How far off the wall clock was, in seconds, by the successful checks after each step.
    seen: Vec<f64>,
}

/// The steps, in seconds.
const STEPS: [i64; 2] = [3600, -3600];

/// A step is seen when the wall clock is off by as much, but for this: far more than it takes to write a line.
const STEP_TOLERANCE: f64 = 60.0;

fn stepped_by(seen: f64, step: i64) -> bool {
    (seen - step as f64).abs() <= STEP_TOLERANCE
}

/// Whether a worker led with each of the false wall clocks.
fn stepped(seen: &[f64]) -> Exercise {
    let all = seen.len() == STEPS.len() && seen.iter().zip(STEPS).all(|(seen, step)| stepped_by(*seen, step));
    Exercise::when(all, format!("the worker led with its wall clock off by {seen:.0?} s, and not {STEPS:?}"))
}

#[async_trait]
impl Nemesis for Step {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, Role::Client).await?);
        Ok(Aim { target: format!("{} ±1 h", victim.worker(ground)), ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        give(ground, victim, Clock::Steppable).await
    }

    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        let worker = victim.worker(ground);
        for seconds in STEPS {
            worker.step_clock(seconds)?;
            let what = format!("{worker} to lead with its wall clock {seconds} s off");
            let off = until(&what, LEADS_WITHIN, || async {
                let off = worker.wall_clock_off()?;
                Ok(off.filter(|off| stepped_by(*off, seconds)))
            });
            self.seen.push(off.await?);
            tokio::time::sleep(lasts / 2).await;
        }
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let Some(victim) = &self.victim else { return Ok(Exercise::Missed("nobody was found".into())) };
        give(ground, victim, Clock::True).await?;
        Ok(stepped(&self.seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_was_not_seen_was_not_exercised() {
        assert_eq!(stepped(&[3600.02, -3599.9]), Exercise::Done);
        for seen in [&[][..], &[3600.0], &[0.0, 0.0], &[3600.0, 3600.0], &[3600.0, 0.1]] {
            assert!(matches!(stepped(seen), Exercise::Missed(_)), "{seen:?}");
        }
    }
}
