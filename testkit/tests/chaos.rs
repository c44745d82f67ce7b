//! Short runs of chaos: the worst that each service can meet, each fault once.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod ground;

use testkit::ground::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn etcd_breaks_no_law() -> anyhow::Result<()> {
    let faults = [
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
    ground::chaos(Backend::Etcd, &faults).await
}

#[tokio::test(flavor = "multi_thread")]
async fn zookeeper_breaks_no_law() -> anyhow::Result<()> {
    let faults = [
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
    ground::chaos(Backend::Zk, &faults).await
}

/// Its members contend, beside two clients, so that a fault of a server is one of a candidate, too.
#[tokio::test(flavor = "multi_thread")]
async fn raft_breaks_no_law() -> anyhow::Result<()> {
    let faults = [
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
    ground::chaos_among_members(&faults).await
}
