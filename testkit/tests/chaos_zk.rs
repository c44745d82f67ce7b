//! A short run of chaos: the worst that ZooKeeper can meet, each once.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod ground;

use testkit::ground::Backend;

const FAULTS: [&str; 17] = [
    "kill-leader",
    "pause-leader",
    "cut-leader",
    "cut-leaders-server",
    "pause-chief",
    "kill-chief",
    "bridge",
    "refuse",
    "end-session",
    "clock-fast",
    "clock-step",
    "slow-link",
    "half-open",
    "lost-replies",
    "delete-leader",
    "end-waiter",
    "suspend",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_law_is_broken_and_every_fault_is_exercised() -> anyhow::Result<()> {
    ground::chaos(Backend::Zk, &FAULTS).await
}
