//! The command line.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use clap::Parser;

use super::run::Length;
use crate::{
    ground::Backend,
    nemesis::{self, Kind},
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask chaos --backend etcd --minutes 10 --seed 7
  cargo xtask chaos --backend raft --fault kill-leader --fault full-disk --minutes 2
  cargo xtask chaos --backend zk --list
Exit codes:
  0  no law was broken, and every requested fault was exercised
  1  a law was broken: what happened, pictures, and the command that repeats it are printed
  2  the command line makes no sense
  3  no law was broken, but a requested fault was not exercised: the run proves nothing about it
  4  the run could not be carried out";

/// Lets faults loose on three servers and six processes of ours, and checks every law of the contract afterwards.
///
/// Each server and each process is on a host of its own, a network namespace, which takes the rights of root.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask chaos", after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// The service: etcd, zk or raft
    #[arg(long)]
    pub backend: Backend,
    /// How long faults are let loose; it goes on until each requested one was exercised
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
    /// Decides the faults, their order, targets and durations, and what the workers do
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// On raft: the three members contend, too, each in one process with its candidate, beside two clients
    #[arg(long)]
    pub members: bool,
    /// Only this fault; may be given more than once
    #[arg(long = "fault", value_name = "NAME")]
    pub faults: Vec<String>,
    /// Keep the histories, logs and facts in this folder, which must be new or empty
    ///
    /// Without it they are kept under target/chaos when a law was broken, and removed otherwise.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Print the names of the faults, and do nothing
    #[arg(long)]
    pub list: bool,
}

impl Args {
    /// The faults that are asked for; all if none is named.
    ///
    /// # Errors
    ///
    /// When a name is unknown, or that fault makes no sense on the backend.
    pub fn kinds(&self) -> Result<Vec<&'static Kind>> {
        ensure!(
            !self.members || self.backend == Backend::Raft,
            "--members is for raft: the others have none"
        );
        if self.faults.is_empty() {
            return Ok(nemesis::all(self.backend));
        }
        let named = |name: &String| {
            let kind = nemesis::find(name)?;
            ensure!(kind.applies_to(self.backend), "the fault {name} makes no sense on {}", self.backend);
            ensure!(kind.is_possible(), "the fault {name} takes libfaketime: cargo xtask setup");
            Ok(kind)
        };
        self.faults.iter().map(named).collect()
    }

    /// How long the faults are let loose.
    ///
    /// # Errors
    ///
    /// When it is negative, not a number or beyond a week.
    pub fn length(&self) -> Result<Length> {
        let week = 7.0 * 24.0 * 60.0;
        ensure!((0.0..=week).contains(&self.minutes), "--minutes is {}: give 0 to {week}", self.minutes);
        Ok(Length::For(Duration::from_secs_f64(self.minutes * 60.0)))
    }

    /// Where the run's files go.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let target = || env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let own = || format!("chaos/{}-seed{}-{}", self.backend, self.seed, std::process::id());
        self.keep.clone().unwrap_or_else(|| target().join(own()))
    }

    /// The command that repeats the run.
    #[must_use]
    pub fn command(&self) -> String {
        let Self { backend, minutes, seed, .. } = self;
        let mut command = format!("cargo xtask chaos --backend {backend} --minutes {minutes} --seed {seed}");
        if self.members {
            command += " --members";
        }
        for fault in &self.faults {
            command += &format!(" --fault {fault}");
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        Args::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn the_command_repeats_the_run() {
        let line = "cargo xtask chaos --backend zk --minutes 0.5 --seed 9 --fault bridge --fault loss";
        let args = Args::try_parse_from(line.split(' ').skip(2)).unwrap();
        assert_eq!(args.command(), line);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (line, says) in [
            ("chaos --backend etcd --fault flood", "there is no fault"),
            ("chaos --backend zk --members", "--members is for raft"),
            ("chaos --backend etcd --fault full-disk", "makes no sense on etcd"),
        ] {
            let error = parse(line).kinds().unwrap_err().to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
        assert!(parse("chaos --backend etcd --minutes=-1").length().is_err());
        assert!(Args::try_parse_from(["chaos", "--backend", "consul"]).is_err());
    }
}
