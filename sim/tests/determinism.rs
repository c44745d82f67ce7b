//! The same seed, the same bytes; and a few whole runs.
#![forbid(unsafe_code)]

use std::path::Path;

use sim::fleet::Fleet;
use testkit::checker::Verdict;

fn fleet() -> Fleet {
    Fleet::new(Path::new(env!("CARGO_BIN_EXE_election-sim"))).expect("a C compiler")
}

/// Everything that happened, and a sum over every segment, event and entry, from two processes.
#[test]
fn the_same_seed_makes_the_same_bytes() {
    let fleet = fleet();
    for seed in [3, 4] {
        let (first, second) = (fleet.print(seed, true).unwrap(), fleet.print(seed, true).unwrap());
        assert!(first.len() > 10_000, "seed {seed}: hardly anything happened");
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn another_seed_makes_another_run() {
    let fleet = fleet();
    assert_ne!(fleet.run(5).unwrap().digest, fleet.run(6).unwrap().digest);
}

/// `cargo xtask test` runs five hundred of them, optimised.
#[test]
fn no_law_is_broken() {
    let account = fleet().all(100..104, 2, |outcome| outcome.verdict() != Verdict::Violated).unwrap();
    let again = |(seed, _): &(u64, Vec<String>)| format!("cargo xtask sim --seed {seed}");
    let again: Vec<String> = account.violated.iter().map(again).collect();
    assert!(again.is_empty(), "{account}{:?}\nagain: {}", account.violated, again.join("; "));
    assert!(account.passed >= 3, "{account}");
}
