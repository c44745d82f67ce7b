//! The bug zoo: defects that are planted to see the tests catch them.
//!
//! Compiled only with `--cfg zoo`, which `cargo xtask zoo` sets and nothing else does; a release holds no trace of it.
//! In such a build the environment variable `ELECTION_ZOO` names the one defect that lives; without it the build
//! behaves as any other.

/// Whether this defect is the one that lives.
pub fn planted(defect: &str) -> bool {
    std::env::var_os("ELECTION_ZOO").is_some_and(|living| living == defect)
}
