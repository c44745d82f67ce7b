//! `etcdctl elect` contends in our elections, and we in its.

use anyhow::Result;
use election_core::Coordinator;
use testkit::interop::{Elect, Listen};
use testkit::need::{self, Tool};

use crate::support::{BOUND, connect, enter, event, event_where, records, single, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_elect_and_ours_in_turn() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    if !need::has(Tool::Etcdctl) {
        return Ok(());
    }
    let coordinator = connect(&etcd, "ttl=2s").await?;
    let elector = coordinator.elector("billing")?;
    let prefix = "/election/billing";
    let first = win(&coordinator, "billing", "first").await?;
    let mut events = elector.observe();
    assert_eq!(event(&mut events).await?.leader().unwrap().id, "first");
    let mut theirs = Elect::join(&etcd.endpoints(), prefix, "theirs")?;
    records(&etcd, "/election/billing/", 2).await?;
    let last = enter(&elector, "last");
    records(&etcd, "/election/billing/", 3).await?;
    // Longer than a TTL: our moves from lease to lease do not wake them.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert!(!theirs.leads_now() && !last.is_finished());
    first.resign().await?;
    let key = theirs.leads(BOUND).await?;
    let seen = event_where(&mut events, |event| event.leader().is_some_and(|l| l.id != "first")).await?;
    let leader = seen.leader().unwrap();
    assert_eq!(leader.value.as_ref(), b"theirs");
    assert_eq!(format!("{prefix}/{}", leader.id), key);
    assert!(!last.is_finished());
    let mut listen = Listen::to(&etcd.endpoints(), prefix)?;
    assert_eq!(listen.next_leader(BOUND).await?, "theirs");
    theirs.resign().await?;
    let last = within(last).await???;
    assert_eq!(listen.next_leader(BOUND).await?, "value of last");
    last.resign().await?;
    Ok(())
}
