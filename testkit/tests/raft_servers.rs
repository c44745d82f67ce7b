//! The Raft group that the other tests rely on.
#![forbid(unsafe_code)]
#![cfg(feature = "raft")]

use testkit::raft::{RaftCluster, RaftOptions};

#[tokio::test]
async fn three_members_form_a_group_and_come_back() -> anyhow::Result<()> {
    let options = RaftOptions::new(env!("CARGO_BIN_EXE_testkit-raft-node")).profile("lan");
    let raft = RaftCluster::start(options).await?;
    let leader = raft.leader_found_by(0, std::time::Duration::from_secs(5)).await?;
    raft.kill(leader)?;
    raft.restart(leader).await?;
    raft.pause(0)?;
    raft.resume(0)
}
