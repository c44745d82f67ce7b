//! The proving ground itself: each fault, struck once on each service, must be what its name says.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use rand::{SeedableRng, rngs::StdRng};
use testkit::{
    WorkDir,
    ground::{Backend, Ground, Programs, Settings},
    history::Stamp,
    nemesis::{Exercise, Struck, find},
    until,
};

fn programs() -> Programs {
    Programs {
        contender: Path::new(env!("CARGO_BIN_EXE_testkit-contender")).to_owned(),
        raft_node: Path::new(env!("CARGO_BIN_EXE_testkit-raft-node")).to_owned(),
    }
}

async fn ground(backend: Backend, folder: &WorkDir) -> Result<Ground> {
    Ground::start(Settings::new(backend, programs(), folder.path(), 1)).await
}

/// Strikes until it hits: a leader may resign a moment before.
async fn strike(ground: &Ground, name: &str) -> Result<()> {
    let kind = find(name)?;
    for attempt in 0..5 {
        let mut rng = StdRng::seed_from_u64(attempt);
        let lasts = kind.draw_duration(&mut rng, ground.ttl());
        let mut nemesis = kind.make(rng);
        let aim = nemesis.aim(ground).await.with_context(|| format!("{name} aims"))?;
        let before = Stamp::now();
        let injected = nemesis.inject(ground).await;
        let after = Stamp::now();
        let held = nemesis.hold(ground, lasts).await;
        let exercise = nemesis.heal(ground, Struck { before, after }).await?;
        eprintln!("{name}: {}, {injected:?} {held:?}: {exercise:?}", aim.target);
        if exercise == Exercise::Done {
            injected?;
            return held;
        }
    }
    anyhow::bail!("{name} missed five times")
}

async fn all(backend: Backend) -> Result<()> {
    if !backend.is_possible() {
        return Ok(());
    }
    let folder = WorkDir::new("ground-")?;
    let ground = ground(backend, &folder).await?;
    ground.seat().await?;
    let only = std::env::var("FAULT").ok();
    for kind in testkit::nemesis::all(backend) {
        if only.as_ref().is_some_and(|only| only != kind.name) {
            continue;
        }
        strike(&ground, kind.name).await?;
        let seat = ground.seat().await.with_context(|| format!("after {}", kind.name))?;
        eprintln!("after {}: {} leads", kind.name, ground.contenders()[seat.worker]);
    }
    for worker in ground.workers() {
        worker.end().await?;
    }
    let empty = || async { Ok(ground.records().await?.is_empty().then_some(())) };
    until("the last record to go", Duration::from_secs(10), empty).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_hits_etcd() -> Result<()> {
    all(Backend::Etcd).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_hits_zookeeper() -> Result<()> {
    all(Backend::Zk).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_hits_raft() -> Result<()> {
    all(Backend::Raft).await
}
