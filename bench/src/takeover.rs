//! A leader fails, and another process takes over: each candidate is a process of its own.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::{select_all, try_join_all};
use testkit::proxy::Proxy;

use crate::clock;
use crate::rig::Rig;
use crate::worker::Worker;

/// How long a candidate gets to enter the queue: far more than a round trip.
const SETTLE: Duration = Duration::from_millis(300);

/// How often a takeover is tried.
const ATTEMPTS: u32 = 10;

/// What happens to the leader's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL: the kernel closes its connections.
    Crash,
    /// SIGSTOP: its connections stay open and say nothing.
    Pause,
    /// Its links to all servers swallow every byte, both ways. A member of an embedded group has links to its peers
    /// only, which this cannot cut: `cargo xtask chaos` can.
    Cut,
    /// It resigns, closes its session and ends.
    Exit,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Crash, Self::Exit, Self::Pause, Self::Cut];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::Cut => "cut link",
            Self::Exit => "clean exit",
        })
    }
}

/// A leader's process in front, and behind it those that wait.
pub struct Scene {
    fault: Fault,
    candidates: VecDeque<Candidate>,
}

/// One process.
struct Candidate {
    id: usize,
    worker: Worker,
    /// Between it and the servers; none unless a link is to be cut.
    links: Vec<Proxy>,
}

impl Candidate {
    async fn start(rig: &Rig, id: usize, fault: Fault) -> Result<Self> {
        let mut links = Vec::new();
        let mut args = rig.candidate(id, "takeover");
        if fault == Fault::Cut {
            let endpoints = rig.endpoints();
            links = try_join_all(endpoints.iter().map(|endpoint| Proxy::to(endpoint))).await?;
            let endpoints: Vec<String> = links.iter().map(Proxy::endpoint).collect();
            args = rig.candidate_through(id, "takeover", &endpoints);
        }
        Ok(Self { id, worker: Worker::start(rig.driver(), &args)?, links })
    }

    async fn campaign(&mut self) -> Result<()> {
        self.worker.event("ready").await?;
        self.worker.tell(&format!("campaign {}", self.id))
    }

    /// Makes it fail; what is left of it is dropped after the takeover.
    fn fail(mut self, fault: Fault) -> Result<Option<Self>> {
        match fault {
            Fault::Crash => self.worker.kill()?,
            Fault::Pause => self.worker.pause()?,
            Fault::Cut => self.links.iter().for_each(Proxy::sever),
            Fault::Exit => {
                self.worker.quit()?;
                return Ok(None);
            }
        }
        Ok(Some(self))
    }
}

impl Scene {
    /// Starts the processes; one leads when this returns. Of an embedded group, all members are candidates.
    ///
    /// # Errors
    /// When a process cannot be started, or does not lead.
    pub async fn start(rig: &Rig, fault: Fault) -> Result<Self> {
        let setting = rig.setting();
        let count = if setting.backend.is_embedded() { setting.servers } else { 2 };
        // All at once: a Raft group is formed by a majority of its members.
        let starts = (0..count).map(|id| Candidate::start(rig, id, fault));
        let mut candidates = VecDeque::from(try_join_all(starts).await?);
        for candidate in &mut candidates {
            candidate.campaign().await?;
            tokio::time::sleep(SETTLE).await;
        }
        candidates.front_mut().context("no process")?.worker.leads().await?;
        Ok(Self { fault, candidates })
    }

    /// One takeover: from the fault to the moment another process leads.
    ///
    /// On a machine too busy to renew its sessions the leader may be lost before it fails: that run did not exercise
    /// the fault, so it is repeated and not counted.
    ///
    /// # Errors
    /// When nobody takes over, or no leader lasts until it fails.
    pub async fn takeover(&mut self, rig: &Rig) -> Result<Duration> {
        for _ in 0..ATTEMPTS {
            if let Some(time) = self.attempt(rig).await? {
                return Ok(time);
            }
            eprintln!("{}: the leader was lost before that; once more", self.fault);
            // First: a member of an embedded group that still runs holds its port.
            self.candidates.clear();
            *self = Self::start(rig, self.fault).await?;
        }
        bail!("no leader lasted until it failed, {ATTEMPTS} times: this machine is too busy for such a TTL")
    }

    /// `None` if another led already.
    async fn attempt(&mut self, rig: &Rig) -> Result<Option<Duration>> {
        // At any moment of the renewal period.
        let phase = clock::now_ns() % u64::try_from((rig.ttl() / 3).as_nanos())?;
        tokio::time::sleep(SETTLE + Duration::from_nanos(phase)).await;
        let leader = self.candidates.pop_front().context("no process")?;
        let (id, failed) = (leader.id, clock::now_ns());
        let remains = leader.fail(self.fault)?;
        // Any of them: one whose session was lost meanwhile went to the end of the queue.
        let followers = self.candidates.iter_mut().map(|candidate| Box::pin(candidate.worker.leads()));
        let (led, next, _) = select_all(followers).await;
        let led = led?;
        drop(remains);
        self.candidates.swap(0, next);
        if led <= failed {
            return Ok(None);
        }
        // A Raft member comes back on the same port and folder.
        let mut replacement = Candidate::start(rig, id, self.fault).await?;
        replacement.campaign().await?;
        self.candidates.push_back(replacement);
        Ok(Some(Duration::from_nanos(led - failed)))
    }
}
