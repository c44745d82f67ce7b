//! Records that servers bring back: a deletion that they had confirmed is lost (ZOOKEEPER-4712 and its siblings).
//!
//! What that looks like to an observer can be made without the defect: the record of an older leader stands first, after
//! a newer leader has been seen. Names with a sequence are given by hand, so that the older record is behind the newer.

mod common;

use common::{ROOT, connect, elector, next, next_leader, patiently, single};
use election_core::LeaderEvent;
use testkit::need::{self, Tool};
use testkit::proxy::Proxy;

fn path(id: &str, sequence: u32) -> String {
    format!("{ROOT}/relapse/_c_c8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11-{id}-latch-{sequence:010}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_passes_over_a_leader_that_is_older_than_one_it_has_seen() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    let (older, newer, newest) = (path("older", 2), path("newer", 1), path("newest", 3));
    admin.create(&older, b"").await.unwrap();
    admin.create(&newer, b"").await.unwrap();
    let proxy = Proxy::to(&zk.endpoints()[0]).await.unwrap();
    // Its session outlives what follows: with another one the observer would begin anew.
    let coordinator = connect(&proxy.endpoint(), 20_000).await;
    let mut events = elector(&coordinator, "relapse").observe();
    let seen = next_leader(&mut events).await;
    assert_eq!(seen.id, "newer");

    assert!(admin.delete(&newer).await.unwrap());
    assert_eq!(next(&mut events).await, LeaderEvent::Vacant, "the older one had led before");
    // Nor after a reconnect, when all is read anew.
    proxy.cut().await.unwrap();
    patiently("the disconnection", async {
        while !matches!(next(&mut events).await, LeaderEvent::Disconnected { .. }) {}
    })
    .await;
    proxy.heal().await.unwrap();
    assert_eq!(next(&mut events).await, LeaderEvent::Vacant);

    // It does not stand in the way of who comes next, and another coordinator has never seen the newer one.
    admin.create(&newest, b"").await.unwrap();
    let leader = next_leader(&mut events).await;
    assert_eq!(leader.id, "newest");
    assert!(leader.token > seen.token);
    let fresh = connect(&zk.authority(), 20_000).await;
    assert_eq!(next_leader(&mut elector(&fresh, "relapse").observe()).await.id, "older");
}
