//! The hard cases by name: one fault, again and again, on three servers in namespaces of their own.
//!
//! Leaders lead on until they lose it, so that no resignation forestalls the fault. Who trusts what a server says by
//! itself fails here (`zk-pings-trusted` and `etcd-keep-alive-trusted` of `cargo xtask zoo`): the histories are kept,
//! and judged by `kept.rs`.
//!
//! A few trials each, so that they fit into every test run; `HARD_TRIALS=50 cargo test -p testkit --test hard_cases`
//! makes as many as you have time for. A trial that did not exercise its fault does not count, and is made again; a test
//! fails if more of them are in vain than were asked for.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod frozen_etcd;
#[path = "../ground/mod.rs"]
mod ground;

use std::env;

use anyhow::{Context, Result};
use testkit::ground::Backend;

/// That many trials, unless somebody has time for more.
const TRIALS: usize = 3;

async fn hard(backend: Backend, fault: &str) -> Result<()> {
    let trials = env::var("HARD_TRIALS").map_or(Ok(TRIALS), |count| count.parse().context("HARD_TRIALS"))?;
    ground::chaos_again(backend, fault, trials).await
}

/// The leader's link to its server is up, and that server is cut off from the others: it answers keep-alives and pings
/// as if nothing had happened.
mod server_cut_off {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn etcd() -> Result<()> {
        hard(Backend::Etcd, "cut-leaders-server").await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn zookeeper() -> Result<()> {
        hard(Backend::Zk, "cut-leaders-server").await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn raft() -> Result<()> {
        hard(Backend::Raft, "cut-leaders-server").await
    }
}

/// The server that leads the others is paused, deposed meanwhile, and goes on as if it still led.
mod leading_server_paused {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn etcd() -> Result<()> {
        hard(Backend::Etcd, "pause-chief").await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn zookeeper() -> Result<()> {
        hard(Backend::Zk, "pause-chief").await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn raft() -> Result<()> {
        hard(Backend::Raft, "pause-chief").await
    }
}
