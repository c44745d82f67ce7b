//! [`Args`]: the command line.

use clap::Parser;

/// Simulate a Raft group by seed: members, clients, network, disks, clocks and faults, and check every law.
///
/// A run is a function of its seed: the same seed has the same bytes. Each is four seconds of faults and their
/// aftermath, in simulated time. Delay, loss (a segment is late, as after TCP's retransmission), links that are cut, one
/// way or both, around a member or around its peers only; power loss at any moment and in the middle of a write,
/// SIGKILL, SIGSTOP, suspend, restarts in good order; slow and full disks; clocks as fast and slow as the drift bound
/// allows; answers that come late, and then none; an administrator who adds, replaces and removes members, and removes
/// the leader's record. Whoever was removed comes back under its old id with an empty disk, and is to be turned away.
///
/// What is checked: S1 to S6 and L1 to L5 of docs/safety.md; that every member applies the same entries at the same
/// indices and has the same state after each; that nothing that was applied is ever taken back; that no member serves
/// under another one's leadership, or votes right after a restart; that each starts again from its disk, and ends only
/// when that fails or it was removed; that no id is used twice; that the fence refuses lower tokens, and no others.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask sim", after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Run that many seeds
    #[arg(long, value_name = "N", default_value_t = 500, conflicts_with = "seed")]
    pub seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub first: u64,
    /// How many at a time; as many as there are processors, if not given
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Run this seed only, and tell what happens as it happens
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Go on after a violation, to see how many seeds have one
    #[arg(long)]
    pub keep_going: bool,
    /// In the process of one run: print its outcome
    #[arg(long, hide = true, value_name = "SEED")]
    pub child: Option<u64>,
    /// In the process of one run: tell what happens
    #[arg(long, hide = true, requires = "child")]
    pub loud: bool,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask sim                       500 seeds
  cargo xtask sim --seeds 10000         more of them
  cargo xtask sim --seed 42             one again, line by line
Exit codes:
  0  no law was broken
  1  a law was broken: the seed, and the command that replays it, are printed
  2  the command line makes no sense
  3  no law was broken, and too many seeds exercised nothing
  4  a run could not be carried out";
