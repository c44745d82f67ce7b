//! The Raft part of the bug zoo: the simulation finds each of these defects within a few seeds.
//!
//! Without `--cfg zoo` there are no defects to find: `cargo xtask zoo` builds with it.
#![forbid(unsafe_code)]
#![cfg(zoo)]

use std::path::Path;

use sim::fleet::Fleet;
use testkit::checker::Verdict;

/// Runs seeds until one breaks a law, in words that begin like that.
fn finds(defect: &'static str, seeds: std::ops::Range<u64>, law: &str) {
    let fleet = Fleet::new(Path::new(env!("CARGO_BIN_EXE_election-sim"))).expect("a C compiler");
    let fleet = fleet.with_defect(defect);
    let account = fleet.all(seeds, 2, |outcome| outcome.verdict() != Verdict::Violated).unwrap();
    let mut found =
        account.violated.iter().flat_map(|(seed, says)| says.iter().map(move |says| (seed, says)));
    let found = found.find(|(_, says)| says.contains(law));
    let (seed, says) =
        found.unwrap_or_else(|| panic!("{defect} is not found: {account}{:?}", account.violated));
    println!("{defect}: seed {seed}: {says}");
}

macro_rules! defects {
    ($($test:ident: $defect:literal, $seeds:expr, $law:literal;)*) => {
        $(#[test]
        fn $test() {
            finds($defect, $seeds, $law);
        })*
    };
}

defects! {
    term_as_token: "raft-term-as-token", 1..9, "S2";
    votes_right_after_a_restart: "raft-votes-right-after-a-restart", 9..25, "votes right after";
    vote_without_fsync: "raft-vote-without-fsync", 1..9, "acknowledged commits are missing";
    renewal_without_quorum: "raft-renewal-without-quorum", 88..104, "S1";
    flag_set_by_a_timer: "flag-set-by-a-timer", 3..11, "S1";
    claim_outlives_resign: "claim-outlives-resign", 1..9, "L4";
    deadline_from_receipt: "deadline-from-receipt", 130..146, "S1";
    fence_compares_for_equality: "fence-compares-for-equality", 1..5, "the fence refuses";
    snapshot_name_not_synced: "raft-snapshot-name-not-synced", 20..36, "missing, or older than the log";
}
