//! What an administrator can do to an election.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::{
    Aim, Exercise, Nemesis, Struck,
    victim::{Role, Victim},
};
use crate::{ground::Ground, history::Effect};

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// The record is deleted.
    Delete,
    /// The session is ended.
    EndSession,
}

/// Takes a record away behind its owner's back, alone or with its session.
pub(super) struct Deposal {
    pub(super) role: Role,
    pub(super) deed: Deed,
    pub(super) victim: Option<Victim>,
    /// Whether there was something to take.
    pub(super) done: bool,
}

impl Deposal {
    pub(super) fn new(role: Role, deed: Deed) -> Self {
        Self { role, deed, victim: None, done: false }
    }
}

#[async_trait]
impl Nemesis for Deposal {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, self.role).await?);
        let target = format!("{}, record {}", victim.worker(ground), victim.seat.record.key);
        let token = u64::try_from(victim.seat.record.order).ok().filter(|token| *token > 0);
        Ok(Aim { target, effect: Effect::Deposes, token, pid: None })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(victim) = &self.victim else { return Ok(()) };
        let record = &victim.seat.record;
        self.done = match self.deed {
            Deed::Delete => ground.delete(record).await?,
            Deed::EndSession => {
                ground.service().end_session(record.session).await?;
                true
            }
        };
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, struck: Struck) -> Result<Exercise> {
        let Some(victim) = self.victim.as_ref().filter(|_| self.done) else {
            return Ok(Exercise::Missed("the record had gone by itself".into()));
        };
        let led = victim.worker(ground).led_at(struck.before)?.is_some();
        let (word, right) = match self.role {
            Role::Leader | Role::LinkedLeader => ("did not lead", led),
            Role::Waiter | Role::Client => ("did not wait", !led),
        };
        Ok(Exercise::when(right, format!("{} {word} when it was struck", victim.worker(ground))))
    }
}

/// How often the store's history is forgotten.
const COMPACT_EVERY: Duration = Duration::from_millis(200);

/// Compacts all the time.
#[derive(Default)]
pub(super) struct Compaction {
    compacted: u32,
}

#[async_trait]
impl Nemesis for Compaction {
    async fn aim(&mut self, _ground: &Ground) -> Result<Aim> {
        Ok(Aim { target: format!("the store, every {COMPACT_EVERY:?}"), ..Aim::default() })
    }

    async fn inject(&mut self, _ground: &Ground) -> Result<()> {
        Ok(())
    }

    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        let end = Instant::now() + lasts;
        let mut next = Instant::now();
        while next < end {
            // It fails when nothing was written since the last time.
            self.compacted += u32::from(ground.service().compact().await.is_ok());
            next += COMPACT_EVERY;
            sleep_until(next.min(end)).await;
        }
        Ok(())
    }

    async fn heal(&mut self, _ground: &Ground, _struck: Struck) -> Result<Exercise> {
        Ok(Exercise::when(self.compacted >= 2, format!("compacted {} times only", self.compacted)))
    }
}
