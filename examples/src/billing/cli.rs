//! The command line of `billing`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::plant::{CrashPoint, Plant};
use super::provider::script::Script;
use super::worker::WorkerArgs;

/// Bills invoices with workers of which only the elected leader charges, while leaders are killed, paused and
/// made to resign and the payment provider fails; then settles the account.
///
/// Exit status: 0 if every invoice was charged exactly once, 1 if not or if the run could not be completed,
/// 2 for a mistake on the command line, 130 after Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "billing", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    billing                                      300 invoices, embedded Raft, 9 rounds of faults\n  \
    billing --invoices mine.csv --rounds 30      your own invoices\n  \
    billing --data-dir run --keep                keep the ledger; run it again and nothing is charged twice\n  \
    billing --backend etcd --endpoints h1:2379   the same workers on etcd (build with --features etcd)")]
pub struct Cli {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
    /// What the parent starts its own executable with.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// The roles of the child processes.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// One worker.
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// The payment provider.
    #[command(hide = true)]
    Provider(ProviderArgs),
}

/// What the provider is told on its command line.
#[derive(Debug, Args)]
pub struct ProviderArgs {
    /// Its database.
    #[arg(long)]
    pub database: PathBuf,
    /// Its port on the loopback; 0 for any.
    #[arg(long)]
    pub port: u16,
    /// How it fails.
    #[arg(long, value_parser = |text: &str| serde_json::from_str::<Script>(text))]
    pub script: Script,
}

/// Where leaders are elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// A Raft node in each worker: no server needed.
    Raft,
    /// An etcd cluster.
    Etcd,
    /// A ZooKeeper ensemble.
    Zk,
}

/// The options of a run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The invoices: CSV with the columns id, customer, amount, currency (default: the built-in sample).
    ///
    /// Rows that cannot be used are reported with their line and do not stop the rest.
    #[arg(long, value_name = "FILE.csv")]
    pub invoices: Option<PathBuf>,
    /// Where leaders are elected.
    #[arg(long, value_enum, default_value_t = Backend::Raft)]
    pub backend: Backend,
    /// The servers of etcd (default: 127.0.0.1:2379) or ZooKeeper (default: 127.0.0.1:2181); for raft, the
    /// addresses of the nodes (default: free ports of the loopback).
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub endpoints: Vec<String>,
    /// How many worker processes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=9))]
    pub workers: u8,
    /// How many rounds of faults: in each a leader is killed, paused past its TTL or made to resign, between a
    /// charge and its answer, and the provider fails in one of its own ways.
    #[arg(long, default_value_t = 9)]
    pub rounds: u32,
    /// The name of the election. Two runs on the same etcd or ZooKeeper need two names.
    #[arg(long, default_value = "billing")]
    pub election: String,
    /// Where the ledger, the provider's database, the Raft logs and the workers' logs live (default: a
    /// temporary directory).
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Keep the data directory at the end. A later run on it goes on where this one ended.
    #[arg(long)]
    pub keep: bool,
    /// The seed of the faults' order and places (default: random; it is printed).
    #[arg(long)]
    pub seed: Option<u64>,
    /// Switches on a defect, to see the account find it.
    #[arg(long, hide = true)]
    pub plant: Option<Plant>,
    /// Each worker dies once at this place.
    #[arg(long, hide = true)]
    pub crash_at: Option<CrashPoint>,
}

impl RunArgs {
    /// Refuses what cannot work, before anything is started.
    ///
    /// # Errors
    /// What is wrong, and what to give.
    pub fn check(&self) -> anyhow::Result<()> {
        let (feature, on) = match self.backend {
            Backend::Raft => ("raft", cfg!(feature = "raft")),
            Backend::Etcd => ("etcd", cfg!(feature = "etcd")),
            Backend::Zk => ("zk", cfg!(feature = "zk")),
        };
        if !on {
            bail!(
                "--backend {feature} needs the feature {feature:?}, which is off: \
                 cargo run --release -p examples --features {feature} --bin billing -- --backend {feature}"
            );
        }
        election_core::ElectionName::new(&self.election)?;
        if self.backend == Backend::Raft {
            if self.workers < 3 {
                bail!(
                    "--workers is {}: an embedded Raft group goes on without one of its nodes only if it has 3 or \
                     more",
                    self.workers
                );
            }
            if !self.endpoints.is_empty() && self.endpoints.len() != usize::from(self.workers) {
                let (given, workers) = (self.endpoints.len(), self.workers);
                bail!(
                    "--endpoints names {given} addresses for {workers} workers: with raft, give each worker one"
                );
            }
        }
        if let Some(odd) = self.endpoints.iter().find(|endpoint| !endpoint.contains(':')) {
            bail!("--endpoints has {odd:?}: give HOST:PORT");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    #[allow(clippy::single_element_loop, reason = "how many lines there are depends on the features")]
    fn what_cannot_work_is_refused_with_a_hint() {
        for (line, says) in [
            #[cfg(feature = "raft")]
            (&["billing", "--workers", "2"][..], "3 or more"),
            #[cfg(feature = "raft")]
            (&["billing", "--endpoints", "127.0.0.1:1"], "give each worker one"),
            #[cfg(feature = "raft")]
            (&["billing", "--election", "a/b"], "contains '/'"),
            #[cfg(not(feature = "etcd"))]
            (&["billing", "--backend", "etcd"][..], "--features etcd"),
            #[cfg(not(feature = "zk"))]
            (&["billing", "--backend", "zk"][..], "--features zk"),
        ] {
            let error = Cli::parse_from(line).run.check().unwrap_err().to_string();
            assert!(error.contains(says), "{line:?}: {error}");
        }
    }
}
