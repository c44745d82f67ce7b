//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

/// Drives one process of a backend: JSON events on the standard output, commands on the standard input.
#[derive(Clone, Debug, Parser)]
#[command(name = "driver")]
pub struct Args {
    /// The backend.
    pub backend: Backend,
    /// What to do with it.
    pub verb: Verb,
    /// The servers (for raft: the members), as `host:port,host:port`.
    #[arg(long, value_delimiter = ',')]
    pub endpoints: Vec<String>,
    /// The election; `cycle` and `idle` append `-0`, `-1`, ….
    #[arg(long)]
    pub election: String,
    /// The session's TTL in milliseconds; the backend's default if not given.
    #[arg(long)]
    pub ttl_ms: Option<u64>,
    /// How many candidates (cycle, herd).
    #[arg(long, default_value_t = 1)]
    pub candidates: usize,
    /// How long to measure (cycle).
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// How long to run before measuring (cycle).
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// The candidate's id; for raft the place of this node in the endpoints, from 0.
    #[arg(long, default_value = "0")]
    pub id: String,
    /// How many observers; one for the verb `observer`, none for a raft node, if not given.
    #[arg(long)]
    pub observers: Option<usize>,
    /// How many elections (idle).
    #[arg(long, default_value_t = 1)]
    pub elections: usize,
    /// The folder of this raft node, kept over restarts.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// The folder with this raft node's `ca.pem`, `node-1.pem` and `node-1.key` (the number is its place, from 1);
    /// without it the node speaks plaintext.
    #[arg(long)]
    pub tls_dir: Option<PathBuf>,
}

/// A backend by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// An etcd cluster.
    Etcd,
    /// A ZooKeeper ensemble.
    Zk,
    /// A node of an embedded Raft group.
    Raft,
    /// The memory of this process: needs no endpoints, and shows what the driver itself costs.
    Memory,
}

/// What a driver process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verb {
    /// Candidates on elections of their own win and resign for some seconds.
    Cycle,
    /// One candidate under command.
    Candidate,
    /// Observers of one election.
    Observer,
    /// Candidates queue in one election, then lead one after the other.
    Herd,
    /// Holds many elections.
    Idle,
}

impl Args {
    /// Refuses what makes no sense together.
    ///
    /// # Errors
    /// When it does not.
    pub fn validate(&self) -> Result<()> {
        let raft = self.backend == Backend::Raft;
        ensure!(
            !raft || self.verb == Verb::Candidate,
            "raft has the verb candidate only (and `cycle C S W` on its input)"
        );
        ensure!(self.backend == Backend::Memory || !self.endpoints.is_empty(), "--endpoints is missing");
        ensure!(!raft || self.data_dir.is_some(), "a raft node needs --data-dir, a folder of its own");
        ensure!(self.candidates > 0, "--candidates is 0: give at least 1");
        seconds("--seconds", self.seconds)?;
        seconds("--warmup", self.warmup)?;
        Ok(())
    }

    /// The session's TTL, if given.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl_ms.map(Duration::from_millis)
    }
}

/// A duration from a number of seconds, fractions allowed.
///
/// # Errors
/// When it is negative, not a number or beyond a day.
pub(super) fn seconds(what: &str, value: f64) -> Result<Duration> {
    ensure!((0.0..=86_400.0).contains(&value), "{what} is {value}: give 0 to 86400 seconds");
    Ok(Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_of_the_protocol_is_understood() {
        let line = "driver etcd cycle --endpoints h:1,h:2 --election e --ttl-ms 2000 --candidates 8 --seconds 3 --warmup 0.5";
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        assert_eq!((args.backend, args.verb), (Backend::Etcd, Verb::Cycle));
        assert_eq!(args.endpoints, ["h:1", "h:2"]);
        assert_eq!((args.candidates, args.seconds, args.warmup), (8, 3.0, 0.5));
        args.validate().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (line, says) in [
            ("driver raft cycle --endpoints h:1 --election e --data-dir d", "candidate only"),
            ("driver raft candidate --endpoints h:1 --election e", "--data-dir"),
            ("driver zk cycle --election e", "--endpoints"),
            ("driver memory herd --election e --candidates 0", "at least 1"),
            ("driver memory cycle --election e --seconds -1", "unexpected argument"),
            ("driver memory cycle --election e --seconds=-1", "0 to 86400"),
        ] {
            let refusal = match Args::try_parse_from(line.split(' ')) {
                Ok(args) => args.validate().unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(refusal.contains(says), "{line}: {refusal}");
        }
    }
}
