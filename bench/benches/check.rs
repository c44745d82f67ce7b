//! `Leadership::check()`, which a leader calls before every act. Its limit is one reading of the clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bench::clock;
use bench::rig::{Rig, settings};
use bench::suite::{Figure, Goal, Suite, run};
use election::clock::Instant;
use election::{Candidate, Coordinator, Leadership};

fn main() {
    run("check", env!("CARGO_BIN_EXE_driver"), check);
}

fn check(suite: &mut Suite) {
    for setting in settings(&[1]) {
        let rig = suite.rig(setting);
        let mut figure = Figure::new(setting, "check", Goal::WithinMillis(60e-6));
        figure.samples = 50;
        suite.measure(
            &figure.limit(),
            async || Ok(()),
            async |(), iters| {
                Ok(timed(iters, || {
                    black_box(Instant::now());
                }))
            },
        );
        suite.measure(
            &figure,
            async || lead(rig.get().await?).await,
            async |(leadership, _), iters| {
                let time = timed(iters, || {
                    black_box(leadership.check().is_ok());
                });
                // A check that fails is faster than one that does not: then the figure would be worth nothing.
                leadership.check()?;
                Ok(time)
            },
        );
    }
}

async fn lead(rig: &Rig) -> Result<(Leadership, Arc<dyn Coordinator>)> {
    let home = rig.home().await?;
    Ok((home.elector("check")?.campaign(Candidate::new("bench")?).await?, home))
}

fn timed(iters: u64, mut act: impl FnMut()) -> Duration {
    let start = clock::now_ns();
    for _ in 0..iters {
        act();
    }
    clock::since(start)
}
