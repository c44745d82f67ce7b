//! One member alone: what becomes of changes of the members.

use std::collections::{BTreeMap, BTreeSet};

use openraft::async_runtime::WatchReceiver;
use openraft::{BasicNode, EntryPayload, Membership};

use super::Node;
use super::tests::{PATIENCE, alone, ask};
use crate::network::{Change, Failure, Request, Response};
use crate::store::testing::Disk;

/// Waits until the node's membership is as wanted.
async fn until(node: &Node, wanted: impl Fn(&Membership<u64, BasicNode>) -> bool) {
    let mut metrics = node.raft().metrics();
    let found = async {
        while !wanted(metrics.borrow_watched().membership_config.membership()) {
            metrics.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_left_half_done_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let membership = node.raft().metrics().borrow_watched().membership_config.membership().clone();
    let nodes: BTreeMap<u64, BasicNode> = membership.nodes().map(|(id, at)| (*id, at.clone())).collect();
    let voters = BTreeSet::from([1]);
    // As a leader leaves it that dies between the two halves.
    let half = Membership::new(vec![voters.clone(), voters], nodes).unwrap();
    node.raft().append_membership(half, EntryPayload::Blank, []).await.unwrap();
    until(&node, |membership| membership.get_joint_config().len() == 1).await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_is_on_the_roll_and_the_last_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let add = |node, address: &str, replaces| Change::Add {
        node,
        address: address.into(),
        replaces,
        incarnation: None,
    };
    let refused = async |change| match ask(&node, Request::Change(change)).await {
        Err(Failure::Never { why } | Failure::NotNow { why }) => why,
        other => panic!("{other:?}"),
    };
    for (change, says) in [
        (Change::Remove { node: 1, force: true }, "it is the last member"),
        (Change::Remove { node: 9, force: false }, "node 9 was never a member: the members are 1"),
        (add(0, "h:1", None), "0 cannot be an id: take 2"),
        (add(2, "h", None), "give host:port"),
        (add(2, "127.0.0.1:1", Some(7)), "was never a member"),
        (add(2, "127.0.0.1:1", None), "node 2 does not answer at 127.0.0.1:1"),
    ] {
        let why = refused(change).await;
        assert!(why.contains(says), "{why}");
    }
    // Itself, asked for by an administrator; and by whoever has its id and another disk.
    assert!(ask(&node, Request::Change(add(1, "h:1", None))).await.is_ok());
    let other = Change::Add { node: 1, address: "h:1".into(), replaces: None, incarnation: Some(7) };
    let why = refused(other).await;
    assert!(why.contains("node 1 was seen before with another data directory"), "{why}");
    // The group remembers its data directory, so that every member to come knows it.
    let enrolled = async {
        loop {
            match ask(&node, Request::Status).await {
                Ok(Response::Status(status)) if status.used == [1] && status.members.len() == 1 => return,
                Ok(Response::Status(_)) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, enrolled).await.unwrap();
    node.shutdown().await;
}
