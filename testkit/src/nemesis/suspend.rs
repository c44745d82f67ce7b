//! A worker whose machine sleeps while it leads.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use async_trait::async_trait;

use super::{
    Aim, Exercise, Nemesis, Struck,
    clock::{LEADS_WITHIN, give},
    victim::{Role, Victim},
};
use crate::{
    ground::{Clock, Ground, SUSPEND_LIBRARY, Worker},
    history::Stamp,
    poll::until,
    process::is_stopped,
};

/// How long a process may take to stop or to go on, once it was told to.
const SOON: Duration = Duration::from_secs(10);

/// One worker sleeps while it leads, as in a suspend of its machine: the servers and the others go on, and so does its
/// `CLOCK_BOOTTIME`; its `CLOCK_MONOTONIC`, and its timers with it, do not.
#[derive(Default)]
pub(super) struct Suspend {
    victim: Option<Victim>,
    led: Option<u64>,
    deceived: bool,
}

impl Suspend {
    async fn sleep(&mut self, worker: &Worker, lasts: Duration) -> Result<()> {
        let what = format!("{worker} to lead");
        until(&what, LEADS_WITHIN, || async { worker.led_at(Stamp::now()) }).await?;
        let pid = worker.pid().with_context(|| format!("{worker} does not run"))?;
        worker.pause()?;
        let what = format!("{worker} to stop");
        until(&what, SOON, || async { Ok(is_stopped(pid).then_some(())) }).await?;
        let asleep = Stamp::now();
        self.led = worker.led_at(asleep)?;
        self.deceived = fs::read_to_string(format!("/proc/{pid}/maps"))?.contains(SUSPEND_LIBRARY);
        tokio::time::sleep(lasts).await;
        worker.has_slept(Duration::from_nanos(Stamp::now().boot_ns - asleep.boot_ns))?;
        worker.resume()?;
        // It takes its time to be at work again, and to lead beside its successor if it believes that it does.
        tokio::time::sleep(lasts / 2).await;
        Ok(())
    }
}

#[async_trait]
impl Nemesis for Suspend {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, Role::Client).await?);
        Ok(Aim { target: victim.worker(ground).to_string(), ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        give(ground, victim, Clock::Suspendable).await
    }

    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        let Some(victim) = self.victim.clone() else { return Ok(()) };
        self.sleep(victim.worker(ground), lasts).await
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let Some(victim) = &self.victim else { return Ok(Exercise::Missed("nobody was found".into())) };
        let worker = victim.worker(ground);
        worker.resume()?;
        give(ground, victim, Clock::True).await?;
        Ok(match (self.led, self.deceived) {
            (Some(_), true) => Exercise::Done,
            (None, _) => Exercise::Missed(format!("{worker} did not lead any more when it fell asleep")),
            (_, false) => Exercise::Missed(format!("{worker} has true clocks")),
        })
    }
}
