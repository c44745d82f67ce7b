//! The command line.

use clap::{Args, Parser, Subcommand};

/// What a developer and CI run.
///
/// A clean clone on a bare Debian or Ubuntu needs Rust and a C compiler; `cargo xtask test` brings the rest.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Install the servers and tools that the tests need and the machine lacks
    ///
    /// With apt-get, as root or through sudo; otherwise it prints the one command to run.
    Setup,
    /// Run every test of the workspace: unit, doc, conformance on real servers, interoperability
    ///
    /// First installs what is missing (see `setup`). The servers listen on free loopback ports, keep their data in
    /// temporary folders and end with the tests.
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArguments),
    /// Plant known defects, one at a time, and see that a test catches each
    ///
    /// Builds the workspace once more with `--cfg zoo`, and prints a table: defect, verdict, test.
    Zoo(ZooArguments),
    /// Run the static checks: format, lints per feature set, docs, the architecture's invariants
    Check,
    /// Let faults loose on a cluster of etcd, ZooKeeper or Raft, and check every law of the contract
    ///
    /// `cargo xtask chaos --help` tells the options and has examples.
    #[command(disable_help_flag = true)]
    Chaos(RunnerArguments),
    /// Let elections come and go for half an hour, and see that memory, tasks and open files stay as they were
    ///
    /// `cargo xtask soak --backend etcd --minutes 30`; `cargo xtask soak --help` tells the options.
    #[command(disable_help_flag = true)]
    Soak(RunnerArguments),
    /// Count the instructions of the hot paths under valgrind, and compare with bench/instructions/baseline.json
    ///
    /// Fails when a path takes more than the baseline and its tolerance allow.
    Instructions(InstructionsArguments),
    /// Make a page of what `cargo bench -p bench` has measured: target/report/index.html, and report.md beside it
    Report(ReportArguments),
    /// Check licences, bans and sources of all dependencies (installs cargo-deny when missing)
    Deny,
}

const TEST_EXAMPLES: &str = "\
Examples:
  cargo xtask test                              everything
  cargo xtask test -p testkit                   one package
  cargo xtask test -- observe                   tests with `observe` in their name
  cargo xtask test -p testkit -- --nocapture    one package, with its output
Environment:
  TESTKIT_LOGS=all    a failing test shows the servers' logs from the beginning
  TESTKIT_KEEP=1      the servers' folders are kept
  CI=true             a test whose server is missing fails instead of being skipped";

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Only this package; may be given more than once
    #[arg(short, long = "package", value_name = "NAME")]
    pub(crate) packages: Vec<String>,
    /// Install nothing: tests whose server is missing are skipped (under CI: fail)
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Run what failed once more, by itself: a test that passes then is called flaky, and listed
    #[arg(long)]
    pub(crate) retry: bool,
    /// A filter, and options for the test binaries
    #[arg(last = true, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

/// What to plant.
#[derive(Debug, Args)]
pub(crate) struct ZooArguments {
    /// Only these defects; all, if none is named
    #[arg(value_name = "DEFECT")]
    pub(crate) names: Vec<String>,
    /// List the defects and end
    #[arg(long)]
    pub(crate) list: bool,
}

/// What to do with the counts.
#[derive(Debug, Args)]
pub(crate) struct InstructionsArguments {
    /// Write them down as the new baseline, instead of comparing
    #[arg(long)]
    pub(crate) record: bool,
}

/// What to report.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Also write the short comparison into README.md and docs/choosing.md, between their markers
    #[arg(long)]
    pub(crate) update_docs: bool,
    /// The folder that criterion has filled; target/criterion, if not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) criterion: Option<std::path::PathBuf>,
    /// Where to write the report; target/report, if not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<std::path::PathBuf>,
}

/// What a runner is told.
#[derive(Debug, Args)]
pub(crate) struct RunnerArguments {
    /// Its own options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    pub(crate) arguments: Vec<String>,
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
    fn the_chaos_runner_gets_its_options_and_its_help() {
        let cli = Cli::parse_from(["xtask", "chaos", "--backend", "zk", "--help"]);
        let Task::Chaos(chaos) = cli.task else { panic!("not chaos") };
        assert_eq!(chaos.arguments, ["--backend", "zk", "--help"]);
    }

    #[test]
    fn what_follows_the_dashes_is_the_filter() {
        let cli = Cli::parse_from(["xtask", "test", "-p", "testkit", "--", "observe", "--nocapture"]);
        let Task::Test(arguments) = cli.task else { panic!("not a test") };
        assert_eq!(arguments.packages, ["testkit"]);
        assert_eq!(arguments.filter, ["observe", "--nocapture"]);
    }
}
