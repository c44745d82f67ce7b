//! SIGKILL, of workers and of servers.

use anyhow::Result;
use async_trait::async_trait;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::{
    Aim, Exercise, Nemesis, Struck,
    victim::{Role, Victim, another},
};
use crate::{
    ground::{Clock, Ground},
    history::Effect,
};

/// Kills a worker, and starts it again.
pub(super) struct KillWorker {
    pub(super) role: Role,
    pub(super) victim: Option<Victim>,
}

#[async_trait]
impl Nemesis for KillWorker {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, self.role).await?);
        let worker = victim.worker(ground);
        Ok(Aim { target: worker.to_string(), pid: worker.pid(), effect: Effect::Kills, token: None })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        self.victim.as_ref().map_or(Ok(()), |victim| victim.worker(ground).kill())
    }

    async fn heal(&mut self, ground: &Ground, struck: Struck) -> Result<Exercise> {
        let Some(victim) = &self.victim else { return Ok(Exercise::Missed("nobody was found".into())) };
        let hit = victim.was_hit(ground, struck);
        victim.worker(ground).start(Clock::True)?;
        hit
    }
}

/// Which servers a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that the leader's client is talking to.
    Leaders,
    /// The one that leads the others.
    Chief,
    /// That one and another.
    Majority,
}

impl Which {
    /// Their numbers, and the reason if the choice is not what it should be.
    pub(super) async fn choose(self, ground: &Ground, rng: &mut StdRng) -> Result<Vec<usize>> {
        let chief = || ground.service().leader();
        Ok(match self {
            Self::Leaders => {
                let seat = ground.seat().await?;
                vec![ground.server_of(&ground.contenders()[seat.worker])?]
            }
            Self::Chief => vec![chief().await?],
            Self::Majority => {
                let chief = chief().await?;
                vec![chief, another(rng, ground.servers().len(), chief)]
            }
        })
    }
}

pub(super) fn names(ground: &Ground, servers: &[usize]) -> String {
    servers.iter().map(|i| ground.service().node(*i).name()).collect::<Vec<_>>().join(" and ")
}

/// What a fault does to servers. A single one may be a process of ours; of several, the histories tell.
pub(super) fn aim_at(ground: &Ground, servers: &[usize], effect: Effect) -> Aim {
    let target = names(ground, servers);
    match servers {
        [server] => {
            let pid = ground.service().node(*server).id();
            Aim { target, pid, effect, token: None }
        }
        _ => Aim { target, ..Aim::default() },
    }
}

/// Kills servers, and starts them again.
pub(super) struct KillServers {
    pub(super) which: Which,
    pub(super) rng: StdRng,
    pub(super) servers: Vec<usize>,
}

#[async_trait]
impl Nemesis for KillServers {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        self.servers = self.which.choose(ground, &mut self.rng).await?;
        Ok(aim_at(ground, &self.servers, Effect::Kills))
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        self.servers.iter().try_for_each(|i| ground.service().node(*i).kill())
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let exercise = match self.which {
            Which::Leaders => Exercise::Done,
            Which::Chief => {
                let successor = ground.service().leader().await;
                let moved = successor.is_ok_and(|chief| !self.servers.contains(&chief));
                Exercise::when(moved, "no other server took over the lead")
            }
            Which::Majority => without_quorum(ground).await,
        };
        self.servers.iter().try_for_each(|i| ground.service().node(*i).restart())?;
        ground.service().ready().await?;
        Ok(exercise)
    }
}

/// A service that has lost its majority does not answer.
pub(super) async fn without_quorum(ground: &Ground) -> Exercise {
    let answer = timeout(std::time::Duration::from_secs(1), ground.records()).await;
    Exercise::when(!matches!(answer, Ok(Ok(_))), "the service still had its quorum")
}
