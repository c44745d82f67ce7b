//! A short run of chaos: the worst that etcd can meet, each once.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod ground;

use testkit::ground::Backend;

const FAULTS: [&str; 16] = [
    "kill-leader",
    "pause-leader",
    "cut-leader",
    "cut-leaders-server",
    "pause-chief",
    "kill-majority",
    "cut-one-way",
    "loss",
    "compact",
    "delete-leader",
    "clock-slow",
    "half-open",
    "lost-replies",
    "reorder",
    "end-waiter",
    "suspend",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_law_is_broken_and_every_fault_is_exercised() -> anyhow::Result<()> {
    ground::chaos(Backend::Etcd, &FAULTS).await
}
