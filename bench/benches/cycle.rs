//! Campaign, win, resign, again and again: candidates on elections of their own, on one session.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bench::clock;
use bench::rig::{Backend, Setting, settings};
use bench::rival::Rival;
use bench::suite::{Figure, Goal, Suite, run};
use election::{Candidate, Coordinator, Elector};
use futures::future::try_join_all;

fn main() {
    run("cycle", env!("CARGO_BIN_EXE_driver"), cycle);
}

fn cycle(suite: &mut Suite) {
    let rivals = Backend::Raft.is_here() && Rival::is_here();
    let settings = settings(&suite.servers());
    for setting in settings.into_iter().flat_map(|setting| [Some(setting), setting.diskless()]).flatten() {
        let rig = suite.rig(setting);
        for &candidates in suite.cases(&[1, 8, 64, 512]) {
            let case = if setting.diskless { " without a disk" } else { "" };
            let mut figure = Figure::new(setting, format!("{candidates}{case}"), Goal::AtLeast(0.9));
            figure.elements = candidates as u64;
            if setting.backend.is_embedded() {
                figure.goal = if rivals { beat(setting, candidates) } else { Goal::Free };
                figure.rival = rivals.then(|| Rival::subject(setting));
            }
            suite.measure_rival(
                &figure,
                async || Rival::start(setting).await,
                async |rival, iters| rival.rounds(candidates, iters).await,
            );
            if setting.backend == Backend::Memory {
                figure.goal = Goal::Free;
            } else {
                suite.measure(
                    &figure.limit(),
                    async || rig.get().await?.raw().await,
                    async |raw, iters| raw.rounds(candidates, iters).await,
                );
            }
            let electors = async || electors(&*rig.get().await?.home().await?, candidates);
            suite.measure(&figure, electors, async |electors, iters| rounds(electors, iters).await);
        }
    }
}

/// Never slower; and group commit shows where there are many, if there is something to commit to.
fn beat(setting: Setting, candidates: usize) -> Goal {
    match candidates {
        1 if !setting.diskless => Goal::AtLeastOfRival(1.5),
        64 if !setting.diskless => Goal::AtLeastOfRival(5.0),
        _ => Goal::AtLeastOfRival(1.0),
    }
}

fn electors(coordinator: &dyn Coordinator, candidates: usize) -> Result<Vec<Arc<dyn Elector>>> {
    let electors = (0..candidates).map(|i| Ok(coordinator.elector(&format!("cycle-{i}"))?));
    electors.collect()
}

/// How long it takes until each candidate has won and resigned `iters` times.
async fn rounds(electors: &[Arc<dyn Elector>], iters: u64) -> Result<Duration> {
    let start = clock::now_ns();
    let tasks = electors.iter().cloned().map(|elector| {
        tokio::spawn(async move {
            let candidate = Candidate::new("bench")?;
            for _ in 0..iters {
                elector.campaign(candidate.clone()).await?.resign().await?;
            }
            anyhow::Ok(())
        })
    });
    for done in try_join_all(tasks).await? {
        done?;
    }
    Ok(clock::since(start))
}
