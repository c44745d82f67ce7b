//! SIGSTOP, and SIGCONT some time later, of workers and of servers.

use anyhow::Result;
use async_trait::async_trait;
use rand::rngs::StdRng;

use super::{
    Aim, Exercise, Nemesis, Struck,
    kill::{Which, aim_at},
    victim::{Role, Victim},
};
use crate::{ground::Ground, history::Effect, process::is_stopped};

/// Pauses a worker.
pub(super) struct PauseWorker {
    pub(super) role: Role,
    pub(super) victim: Option<Victim>,
}

#[async_trait]
impl Nemesis for PauseWorker {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, self.role).await?);
        let worker = victim.worker(ground);
        Ok(Aim { target: worker.to_string(), pid: worker.pid(), effect: Effect::Pauses, token: None })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        self.victim.as_ref().map_or(Ok(()), |victim| victim.worker(ground).pause())
    }

    async fn heal(&mut self, ground: &Ground, struck: Struck) -> Result<Exercise> {
        let Some(victim) = &self.victim else { return Ok(Exercise::Missed("nobody was found".into())) };
        let worker = victim.worker(ground);
        let stopped = worker.pid().is_some_and(is_stopped);
        // Before it goes on, and writes that it is no leader any more.
        let hit = victim.was_hit(ground, struck);
        worker.resume()?;
        if stopped { hit } else { Ok(Exercise::Missed(format!("{worker} was not stopped"))) }
    }
}

/// Pauses servers: their connections stay open and say nothing.
pub(super) struct PauseServers {
    pub(super) which: Which,
    pub(super) rng: StdRng,
    pub(super) servers: Vec<usize>,
}

#[async_trait]
impl Nemesis for PauseServers {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        self.servers = self.which.choose(ground, &mut self.rng).await?;
        Ok(aim_at(ground, &self.servers, Effect::Pauses))
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        self.servers.iter().try_for_each(|i| ground.service().node(*i).pause())
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let mut stopped = true;
        for i in &self.servers {
            let node = ground.service().node(*i);
            stopped &= node.id().is_some_and(is_stopped);
            node.resume()?;
        }
        Ok(Exercise::when(stopped, "it was not stopped"))
    }
}
