//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};
use rand::Rng;

/// A worker process for the proving ground: it contends or observes, and records what it does and sees.
#[derive(Clone, Debug, Parser)]
#[command(name = "testkit-contender")]
pub struct Args {
    /// The coordination service, as for `election::connect`.
    #[arg(long)]
    pub url: String,
    /// The election.
    #[arg(long)]
    pub election: String,
    /// The candidate's (or observer's) id.
    #[arg(long)]
    pub id: String,
    /// The how-manieth start of this id it is; by default the one after the last in the history
    #[arg(long)]
    pub incarnation: Option<u32>,
    /// The file to append the history to; its name should end in `.jsonl`.
    #[arg(long)]
    pub history: PathBuf,
    /// The SQLite file that the units of work go to. Without it there is no work.
    #[arg(long)]
    pub sink: Option<PathBuf>,
    /// What to do.
    #[arg(long, value_enum, default_value_t = Mode::Lead)]
    pub mode: Mode,
    /// Decides all that is left to chance.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The time between two checks of a leader.
    #[arg(long, default_value = "5ms", value_parser = humantime::parse_duration)]
    pub check_every: Duration,
    /// The time between two units of work.
    #[arg(long, default_value = "20ms", value_parser = humantime::parse_duration)]
    pub work_every: Duration,
    /// How long a leadership is held before it is given up, or kept for as long again.
    #[arg(long, default_value = "500ms..3s")]
    pub hold: Range,
    /// The part of held leaderships that is resigned.
    #[arg(long, default_value_t = 0.6)]
    pub resign: f64,
    /// The part of held leaderships that is dropped without a resign. The rest is kept.
    #[arg(long, default_value_t = 0.2)]
    pub drop: f64,
    /// The part of campaigns whose future is dropped.
    #[arg(long, default_value_t = 0.1)]
    pub cancel: f64,
    /// How long after its begin such a future is dropped.
    #[arg(long, default_value = "0ms..400ms")]
    pub cancel_after: Range,
    /// The part of leaderships that is sought and held by `ElectorExt::lead`, not by the single acts.
    #[arg(long, default_value_t = 0.4)]
    pub by_lead: f64,
    /// How long an observation lasts before a new one is begun.
    #[arg(long, default_value = "1s..4s")]
    pub reopen: Range,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It contends.
    Lead,
    /// It observes.
    Observe,
}

/// `MIN..MAX`, or one duration for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    min: Duration,
    max: Duration,
}

impl Range {
    /// Any duration between the two, ends included.
    pub fn draw(self, rng: &mut impl Rng) -> Duration {
        rng.random_range(self.min..=self.max)
    }
}

impl FromStr for Range {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let read = |part: &str| {
            humantime::parse_duration(part)
                .with_context(|| format!("{part:?} is no duration: give e.g. 500ms"))
        };
        let (min, max) = (read(min)?, read(max)?);
        ensure!(min <= max, "{text} begins above its end: give MIN..MAX");
        Ok(Self { min, max })
    }
}

impl Args {
    /// Refuses what does not fit together.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        let parts = [
            ("resign", self.resign),
            ("drop", self.drop),
            ("cancel", self.cancel),
            ("by-lead", self.by_lead),
        ];
        for (name, part) in parts {
            if !(0.0..=1.0).contains(&part) {
                bail!("--{name} is {part}: give a part of one, from 0 to 1");
            }
        }
        let sum = self.resign + self.drop;
        ensure!(sum <= 1.0, "--resign and --drop add up to {sum}: at most 1 is possible");
        let sum = self.cancel + self.drop;
        ensure!(sum <= 1.0, "--cancel and --drop add up to {sum}: at most 1 is possible");
        ensure!(!self.check_every.is_zero(), "--check-every is 0: give at least 1ms");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_ends_or_one() {
        let range: Range = "10ms..2s".parse().unwrap();
        assert_eq!((range.min, range.max), (Duration::from_millis(10), Duration::from_secs(2)));
        let range: Range = "1s".parse().unwrap();
        assert_eq!(range.min, range.max);
        assert!("2s..1s".parse::<Range>().is_err());
        assert!("soon".parse::<Range>().is_err());
    }
}
