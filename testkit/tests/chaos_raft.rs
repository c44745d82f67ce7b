//! A short run of chaos: the worst that a Raft group can meet, each once. Its members contend, beside two clients, so
//! that a fault of a server is one of a candidate, too.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod ground;

const FAULTS: [&str; 16] = [
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
    "reorder",
    "half-open",
    "lost-replies",
    "end-waiter",
    "suspend",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_law_is_broken_and_every_fault_is_exercised() -> anyhow::Result<()> {
    ground::chaos_among_members(&FAULTS).await
}
