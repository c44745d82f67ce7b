//! The command line.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use super::Load;
use crate::rig::{self, Setting};

/// Elections come and go for so long, and the process must hold no more at the end than at the beginning.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
pub struct Args {
    /// The backend; its servers are started and ended.
    #[arg(long)]
    backend: Backend,
    /// How long, in minutes; fractions are allowed.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// How many servers (Raft: members, the first of them in this process).
    #[arg(long, default_value_t = 1)]
    servers: usize,
    /// How many elections are held at a time.
    #[arg(long, default_value_t = 1000)]
    elections: usize,
    /// How many candidates wait at a time, at most as many as there are elections.
    #[arg(long, default_value_t = 200)]
    waiters: usize,
    /// How many observers there are at a time.
    #[arg(long, default_value_t = 200)]
    observers: usize,
}

/// A backend by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    Memory,
    Etcd,
    Zk,
    Raft,
}

impl Args {
    /// What it runs on.
    ///
    /// # Errors
    /// When the backend's server is not here, or a number makes no sense.
    pub(super) fn setting(&self) -> Result<Setting> {
        let backend = match self.backend {
            Backend::Memory => rig::Backend::Memory,
            Backend::Etcd => rig::Backend::Etcd,
            Backend::Zk => rig::Backend::Zk,
            Backend::Raft => rig::Backend::Raft,
        };
        let here = rig::Backend::all();
        ensure!(here.contains(&backend), "{} is not installed, or not built in", backend.name());
        ensure!((0.0..=10_000.0).contains(&self.minutes), "--minutes is {}: give 0 to 10000", self.minutes);
        ensure!([1, 3].contains(&self.servers), "--servers is {}: give 1 or 3", self.servers);
        ensure!(self.elections > 0, "--elections is 0: give at least 1");
        let (waiters, elections) = (self.waiters, self.elections);
        ensure!(
            waiters <= elections,
            "--waiters is {waiters}: give at most --elections, which is {elections}"
        );
        Ok(Setting { servers: self.servers, ..Setting::single(backend) })
    }

    pub(super) fn load(&self) -> Load {
        Load { elections: self.elections, waiters: self.waiters, observers: self.observers }
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (line, says) in [
            ("--minutes=-1", "0 to 10000"),
            ("--servers 2", "1 or 3"),
            ("--elections 0 --waiters 0", "at least 1"),
            ("--elections 10 --waiters 11", "at most --elections"),
        ] {
            let line = format!("soak --backend memory {line}");
            let refusal = Args::parse_from(line.split(' ')).setting().unwrap_err().to_string();
            assert!(refusal.contains(says), "{line}: {refusal}");
        }
    }
}
