//! Many elections, held by one process on one session: how fast they are won and given back, and what holding them
//! costs while nothing happens.

use std::sync::Arc;

use anyhow::Result;
use bench::clock;
use bench::memory::Footprint;
use bench::rig::{Counters, Rig, settings};
use bench::suite::{Figure, Goal, Held, Pace, Suite, run};
use election::{Candidate, Coordinator, Elector, Leadership};
use futures::{StreamExt, TryStreamExt, stream};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = bench::memory::HEAP;

/// How many campaigns are under way at a time: enough to share commits, not enough to overrun a server.
const AT_A_TIME: usize = 256;

fn main() {
    run("many", env!("CARGO_BIN_EXE_driver"), many);
}

fn many(suite: &mut Suite) {
    for setting in settings(&suite.servers()) {
        let rig = suite.patient_rig(setting);
        for elections in suite.cases_or_dear(&[1, 1000], &[10_000]) {
            let mut figure = Figure::new(setting, elections, Goal::Free);
            figure.elements = elections as u64;
            let (held, is_smoke) = (suite.held(), suite.pace() == Pace::Smoke);
            suite.measure(
                &figure,
                async || {
                    let scene = Scene::new(rig.get().await?, elections).await?;
                    if !is_smoke {
                        held.set(Some(scene.hold(rig.get().await?).await?));
                    }
                    Ok(scene)
                },
                async |scene, iters| {
                    let start = clock::now_ns();
                    for _ in 0..iters {
                        give_back(scene.win().await?).await?;
                    }
                    Ok(clock::since(start))
                },
            );
        }
    }
}

/// A process with one session.
struct Scene {
    electors: Vec<Arc<dyn Elector>>,
    _coordinator: Arc<dyn Coordinator>,
}

impl Scene {
    async fn new(rig: &Rig, elections: usize) -> Result<Self> {
        let coordinator = rig.home().await?;
        let elector = |i| Ok(coordinator.elector(&format!("many-{i}"))?);
        let scene =
            Self { electors: (0..elections).map(elector).collect::<Result<_>>()?, _coordinator: coordinator };
        // What is allocated once (pools, the election's place in the service) is not each election's own.
        give_back(scene.win().await?).await?;
        Ok(scene)
    }

    async fn win(&self) -> Result<Vec<Leadership>> {
        let campaign = async |elector: Arc<dyn Elector>| elector.campaign(Candidate::new("bench")?).await;
        let won = stream::iter(self.electors.iter().cloned()).map(campaign).buffer_unordered(AT_A_TIME);
        Ok(won.try_collect().await?)
    }

    /// Holds them all for a few renewals.
    async fn hold(&self, rig: &Rig) -> Result<Held> {
        let before = Footprint::now()?;
        let held = self.win().await?;
        // What winning left to be done.
        tokio::time::sleep(rig.ttl() / 3).await;
        let after = Footprint::now()?;
        let (start, counters) = (clock::now_ns(), rig.counters().await?);
        tokio::time::sleep(rig.ttl()).await;
        let seconds = clock::since(start).as_secs_f64();
        let Counters { requests, fsyncs, server_cpu, own_cpu } = rig.counters().await? - counters;
        let elections = held.len();
        held.iter().try_for_each(|leadership| leadership.check().map(drop))?;
        give_back(held).await?;
        Ok(Held {
            elections: elections as u64,
            seconds,
            requests,
            fsyncs,
            server_cpu_s: server_cpu,
            own_cpu_s: own_cpu,
            bytes_each: (after.heap - before.heap) as f64 / elections as f64,
            tasks: after.tasks - before.tasks,
            threads: after.threads - before.threads,
        })
    }
}

async fn give_back(held: Vec<Leadership>) -> Result<()> {
    let resigned = stream::iter(held).map(Leadership::resign).buffer_unordered(AT_A_TIME);
    Ok(resigned.try_collect().await?)
}
