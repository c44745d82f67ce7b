//! From the start of a process to its leadership. A Raft group is formed anew each time, from empty folders.

use std::time::Duration;

use anyhow::{Context, Result};
use bench::clock;
use bench::rig::{Backend, Rig, Setting, settings};
use bench::suite::{Figure, Goal, LazyRig, Suite, run};
use bench::worker::Worker;

fn main() {
    run("start", env!("CARGO_BIN_EXE_driver"), start);
}

fn start(suite: &mut Suite) {
    for setting in settings(&suite.servers()) {
        if setting.backend == Backend::Memory {
            continue;
        }
        let mut figure = Figure::new(setting, "process to leader", goal(setting));
        figure.samples = 20;
        let rig = suite.rig(setting);
        let servers = async || rig.get().await.map(drop);
        suite.measure(&figure, servers, async |(), iters| {
            let mut sum = Duration::ZERO;
            for _ in 0..iters {
                sum += start_one(&rig).await?;
            }
            Ok(sum)
        });
    }
}

/// A single embedded node within 50 ms, a fresh group within an election timeout of its Raft and 100 ms. The
/// others are compared with outside programs.
fn goal(setting: Setting) -> Goal {
    match (setting.backend.is_embedded(), setting.servers) {
        (false, _) => Goal::Free,
        (true, 1) => Goal::WithinMillis(50.0),
        (true, _) => Goal::WithinMillis(300.0 + 100.0),
    }
}

async fn start_one(lazy: &LazyRig) -> Result<Duration> {
    let setting = lazy.setting();
    if !setting.backend.is_embedded() {
        return start_in(lazy.get().await?, 1).await;
    }
    start_in(&Rig::start(setting, lazy.driver()).await?, setting.servers).await
}

/// Starts that many processes at once; the first of them campaigns.
async fn start_in(rig: &Rig, processes: usize) -> Result<Duration> {
    let args = (0..processes).map(|i| rig.candidate(i, "start"));
    let start = clock::now_ns();
    let workers = args.map(|args| Worker::start(rig.driver(), &args));
    let mut workers = workers.collect::<Result<Vec<_>>>()?;
    let first = workers.first_mut().context("no process")?;
    first.tell("campaign bench")?;
    let time = Duration::from_nanos(first.leads().await?.saturating_sub(start));
    // Its record must be gone before the next one campaigns.
    workers.swap_remove(0).quit()?;
    Ok(time)
}
