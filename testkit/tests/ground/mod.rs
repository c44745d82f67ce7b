//! What the short runs of chaos share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{env, path::Path};

use anyhow::{Context, Result};
use testkit::{
    WorkDir,
    chaos::{Chaos, Length, Progress},
    checker::Verdict,
    ground::{Backend, Programs, Settings},
    nemesis::{self, Kind},
};
use tokio::sync::Semaphore;

/// The same for everybody, until somebody wants another: `CHAOS_SEED=8 cargo test …`.
const SEED: u64 = 20_260_101;

/// Three servers and six processes each: more of them on two cores would be late for no fault of theirs.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Strikes each of the faults once, and asserts that no law was broken and that all were exercised.
pub(crate) async fn chaos(backend: Backend, faults: &[&str]) -> Result<()> {
    run(backend, faults, 1, |settings| settings).await
}

/// The same with one fault, until it was exercised that often, on leaders that lead on until they lose it.
pub(crate) async fn chaos_again(backend: Backend, fault: &str, times: usize) -> Result<()> {
    run(backend, &[fault], times, Settings::steadfast).await
}

/// The same on a Raft group whose members contend.
pub(crate) async fn chaos_among_members(faults: &[&str]) -> Result<()> {
    run(Backend::Raft, faults, 1, Settings::with_members).await
}

async fn run(backend: Backend, faults: &[&str], times: usize, adapt: fn(Settings) -> Settings) -> Result<()> {
    if !backend.is_possible() {
        return Ok(());
    }
    let _turn = TURNS.acquire().await?;
    let seed = env::var("CHAOS_SEED").map_or(Ok(SEED), |seed| seed.parse().context("CHAOS_SEED"))?;
    println!("seed {seed}: CHAOS_SEED sets another");
    let kinds = faults.iter().map(|name| nemesis::find(name)).collect::<Result<Vec<&Kind>>>()?;
    let kinds = kinds.into_iter().filter(|kind| kind.is_possible()).collect();
    let folder = WorkDir::new("chaos-")?;
    let programs = Programs {
        contender: Path::new(env!("CARGO_BIN_EXE_testkit-contender")).to_owned(),
        raft_node: Path::new(env!("CARGO_BIN_EXE_testkit-raft-node")).to_owned(),
    };
    let progress = Progress::new();
    let settings = adapt(Settings::new(backend, programs, folder.path(), seed));
    let mut chaos = Chaos::start(settings, kinds).await?;
    chaos.rage(seed, Length::Times(times), &progress).await?;
    let outcome = chaos.finish(&progress).await?;
    println!("{outcome}");
    if outcome.verdict() != Verdict::Passed {
        let kept = folder.keep()?;
        let pictures = outcome.draw(&kept)?;
        panic!("the histories are in {}, pictures: {pictures:?}\n{outcome}", kept.display());
    }
    Ok(())
}
