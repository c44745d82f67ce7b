//! How much is measured: one look, a quick round, or everything.

use std::env;

/// Chosen by how cargo was called, and by `BENCH_QUICK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each bench once, in its first case: a test (`cargo test`).
    Smoke,
    /// One server, fewer and shorter samples: minutes (`BENCH_QUICK=1 cargo bench`).
    Quick,
    /// Everything.
    Full,
}

impl Pace {
    /// Of this process.
    #[must_use]
    pub(super) fn of_process() -> Self {
        let quick = env::var_os("BENCH_QUICK").is_some_and(|value| !value.is_empty() && value != "0");
        Self::of(env::args(), quick)
    }

    /// As criterion itself decides: only `cargo bench` says `--bench`.
    fn of(args: impl Iterator<Item = String>, quick: bool) -> Self {
        let args: Vec<String> = args.collect();
        let has = |flag: &str| args.iter().any(|arg| arg == flag);
        match (has("--bench") && !has("--test"), quick) {
            (false, _) => Self::Smoke,
            (true, true) => Self::Quick,
            (true, false) => Self::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cargo_bench_measures() {
        let pace = |line: &str, quick| Pace::of(line.split(' ').map(str::to_owned), quick);
        assert_eq!(pace("cycle", true), Pace::Smoke);
        assert_eq!(pace("cycle --test", false), Pace::Smoke);
        assert_eq!(pace("cycle --bench --test", false), Pace::Smoke);
        assert_eq!(pace("cycle --bench etcd", false), Pace::Full);
        assert_eq!(pace("cycle --bench etcd", true), Pace::Quick);
    }
}
