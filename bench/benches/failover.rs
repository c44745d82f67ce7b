//! The leader's process is killed (SIGKILL): from the signal to the moment another process leads.
//!
//! One iteration is one failover. A killed worker is replaced before the next one, and the next kill comes at
//! any moment of the renewal period.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::clock;
use bench::rig::{Backend, Rig, Setting, settings};
use bench::suite::{Figure, Goal, Suite, run};
use bench::worker::Worker;
use futures::future::select_all;

/// How long a candidate gets to enter the queue: far more than a round trip.
const SETTLE: Duration = Duration::from_millis(300);

/// How often a failover is tried.
const ATTEMPTS: u32 = 10;

fn main() {
    run("failover", env!("CARGO_BIN_EXE_driver"), failover);
}

fn failover(suite: &mut Suite) {
    for setting in matrix(suite) {
        let rig = suite.rig(setting);
        let case = format!("ttl {} ms", setting.ttl().as_millis());
        let mut figure = Figure::new(setting, case, goal(setting));
        figure.time = setting.ttl() * 15;
        suite.measure(
            &figure,
            async || Scene::start(rig.get().await?).await,
            async |scene, iters| {
                let mut sum = Duration::ZERO;
                for _ in 0..iters {
                    sum += crash(scene, rig.get().await?).await?;
                }
                Ok(sum)
            },
        );
    }
}

/// Every backend, with default and with tuned servers. A Raft group survives its members only if it has three.
fn matrix(suite: &Suite) -> Vec<Setting> {
    let mut matrix = Vec::new();
    for mut setting in settings(&suite.servers()) {
        if setting.backend == Backend::Memory {
            continue;
        }
        if setting.backend.is_embedded() {
            setting.servers = 3;
        }
        // A smoke run, on a machine that may be busy, takes the patient ones.
        for setting in suite.cases(&[setting, setting.fast()]) {
            if !matrix.contains(setting) {
                matrix.push(*setting);
            }
        }
    }
    matrix
}

/// The TTL, and what the service adds: etcd scans for expired leases every 500 ms, ZooKeeper rounds up to a tick.
fn goal(setting: Setting) -> Goal {
    let ttl = setting.ttl().as_secs_f64() * 1e3;
    Goal::WithinMillis(match (setting.backend.name(), setting.fast) {
        ("etcd", false) => ttl + 700.0,
        ("etcd", true) => 1200.0,
        ("zk", false) => ttl * 1.5 + 200.0,
        ("zk", true) => 300.0,
        (_, false) => 1000.0,
        (_, true) => 250.0,
    })
}

/// One failover. On a machine too busy to renew its sessions the leader may be lost before it is killed: that run
/// did not exercise the fault, so it is repeated and not counted.
async fn crash(scene: &mut Scene, rig: &Rig) -> Result<Duration> {
    for _ in 0..ATTEMPTS {
        if let Some(time) = scene.crash(rig).await? {
            return Ok(time);
        }
        eprintln!("failover: the leader was lost before it was killed; once more");
        *scene = Scene::start(rig).await?;
    }
    bail!("no leader lasted until it was killed, {ATTEMPTS} times: this machine is too busy for such a TTL")
}

/// A leader's process in front, and behind it those that wait, in the order of the queue.
struct Scene(VecDeque<(usize, Worker)>);

impl Scene {
    async fn start(rig: &Rig) -> Result<Self> {
        let setting = rig.setting();
        let count = if setting.backend.is_embedded() { setting.servers } else { 2 };
        let worker = |i| Ok((i, Worker::start(rig.driver(), &rig.candidate(i, "failover"))?));
        // All at once: a Raft group is formed by a majority of its members.
        let mut workers = (0..count).map(worker).collect::<Result<VecDeque<_>>>()?;
        for (i, worker) in &mut workers {
            worker.event("ready").await?;
            worker.tell(&format!("campaign {i}"))?;
            tokio::time::sleep(SETTLE).await;
        }
        workers.front_mut().context("no worker")?.1.leads().await?;
        Ok(Self(workers))
    }

    /// Kills the leader; the time until the next one leads, or `None` if that one led already.
    async fn crash(&mut self, rig: &Rig) -> Result<Option<Duration>> {
        let phase = clock::now_ns() % u64::try_from((rig.ttl() / 3).as_nanos())?;
        tokio::time::sleep(SETTLE + Duration::from_nanos(phase)).await;
        let (i, mut leader) = self.0.pop_front().context("no worker")?;
        let killed = clock::now_ns();
        leader.kill()?;
        // Any of them: one whose session was lost meanwhile went to the end of the queue.
        let followers = self.0.iter_mut().map(|(_, worker)| Box::pin(worker.leads()));
        let (led, next, _) = select_all(followers).await;
        let led = led?;
        self.0.swap(0, next);
        if led <= killed {
            return Ok(None);
        }
        // A Raft member comes back on the same port and folder.
        let mut replacement = Worker::start(rig.driver(), &rig.candidate(i, "failover"))?;
        replacement.event("ready").await?;
        replacement.tell(&format!("campaign {i}"))?;
        self.0.push_back((i, replacement));
        Ok(Some(Duration::from_nanos(led - killed)))
    }
}
