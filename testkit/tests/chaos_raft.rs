//! A short run of chaos: the worst that a Raft group can meet, each once.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod ground;

use testkit::ground::Backend;

const FAULTS: [&str; 11] = [
    "kill-leader",
    "pause-leader",
    "cut-leader",
    "cut-leaders-server",
    "cut-chief",
    "kill-majority",
    "bridge",
    "rolling-restart",
    "delete-leader",
    "clock-slow",
    "full-disk",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_law_is_broken_and_every_fault_is_exercised() -> anyhow::Result<()> {
    ground::chaos(Backend::Raft, &FAULTS).await
}
