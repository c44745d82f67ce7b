//! The soak: elections are won, waited for, observed, cancelled and given back, round after round, and what the
//! process holds must stay what it was. `cargo xtask soak` runs it.

mod args;
mod round;
mod verdict;

pub use args::Args;
pub use round::{Load, Round, Stage};
pub use verdict::{History, Limits};

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::clock;
use crate::rig::Rig;

/// How often a line says where the run stands.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Runs until the time is over; the verdict is printed, and an error if it is a bad one.
///
/// # Errors
/// When something leaks, a limit is exceeded, or the service fails.
pub async fn run(args: &Args, driver: &Path) -> Result<()> {
    let rig = Rig::start(args.setting()?, driver).await?.patient();
    println!("{}, {}", rig.facts().await?.software, args.load());
    let stage = Stage::new(&rig).await?;
    let mut history = History::default();
    let (start, mut reported) = (clock::now_ns(), 0);
    while history.is_too_short() || clock::since(start) < args.duration() {
        history.add(stage.round(&rig, args.load()).await?);
        if history.len() == 1 || clock::now_ns() - reported > u64::try_from(REPORT_EVERY.as_nanos())? {
            reported = clock::now_ns();
            let (past, all) = (clock::since(start).as_secs(), args.duration().as_secs());
            let clock = |seconds: u64| format!("{}:{:02}", seconds / 60, seconds % 60);
            println!("{} of {}, {}", clock(past), clock(all), history.last_line());
        }
    }
    println!("\n{}", history.summary());
    history.verdict(Limits::default())
}
