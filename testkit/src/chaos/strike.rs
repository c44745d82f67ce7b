//! Carrying out one [`Strike`], and recording it.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::{SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use super::{plan::Strike, progress::Progress};
use crate::{
    ground::Ground,
    history::{Fault, Recorder, Stamp},
    nemesis::{Exercise, Struck},
};

/// A leader resigns every few seconds, and may do so a moment before it is hit.
const ATTEMPTS: u64 = 5;

/// Strikes until the fault was exercised, and says whether it was.
///
/// # Errors
///
/// When a fault cannot be taken back, or the history cannot be written.
pub(super) async fn carry_out(
    strike: &Strike,
    ground: &Ground,
    recorder: &Recorder,
    numbers: &mut impl Iterator<Item = u64>,
    progress: &Progress,
) -> Result<bool> {
    for attempt in 0..ATTEMPTS {
        let number = numbers.next().context("more faults than numbers")?;
        if once(strike, attempt, number, ground, recorder, progress).await? == Exercise::Done {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn once(
    strike: &Strike,
    attempt: u64,
    number: u64,
    ground: &Ground,
    recorder: &Recorder,
    progress: &Progress,
) -> Result<Exercise> {
    let name = strike.kind.name;
    let mut nemesis = strike.kind.make(StdRng::seed_from_u64(strike.seed ^ attempt));
    let aim = match nemesis.aim(ground).await {
        Ok(aim) => aim,
        Err(error) => {
            let missed = Exercise::Missed(format!("no target: {error:#}"));
            progress.struck(name, "", Duration::ZERO, &missed);
            return Ok(missed);
        }
    };
    let fault = Fault {
        number,
        kind: name.into(),
        target: aim.target.clone(),
        pid: aim.pid,
        effect: aim.effect,
        token: aim.token,
        ..Fault::default()
    };
    let began = Instant::now();
    let before = Stamp::now();
    let mut injection = recorder.inject(fault)?;
    let mut struck = nemesis.inject(ground).await;
    let after = Stamp::now();
    if struck.is_ok() {
        injection.is_active()?;
        struck = nemesis.hold(ground, strike.lasts).await;
        injection.is_active()?;
    }
    let healed = nemesis.heal(ground, Struck { before, after }).await;
    let exercise = match (struck, healed) {
        (_, Err(error)) => return Err(error.context(format!("{name} cannot be taken back"))),
        (Err(error), Ok(_)) => Exercise::Missed(format!("{error:#}")),
        (Ok(()), Ok(exercise)) => exercise,
    };
    injection.fault().exercised = Some(exercise == Exercise::Done);
    injection.is_over()?;
    progress.struck(name, &aim.target, began.elapsed(), &exercise);
    Ok(exercise)
}
