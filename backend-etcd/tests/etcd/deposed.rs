//! Records and leases that vanish behind their owner's back.

use std::time::Duration;

use anyhow::Result;
use election_core::{Coordinator, Kind, Loss};
use testkit::proxy::{Direction, Proxy};
use tokio::time::Instant;

use crate::support::{connect, enter, loss, records, single, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_deletion_deposes_the_leader() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let admin = etcd.admin().await?;
    let mut worst = Duration::ZERO;
    for age in [0, 5, 50, 300] {
        let leadership = win(&coordinator, "billing", "w-1").await?;
        // Before the watch of its record is set, about then, and long after.
        tokio::time::sleep(Duration::from_millis(age)).await;
        let key = records(&etcd, "/election/billing/", 1).await?.remove(0).key;
        let start = Instant::now();
        admin.delete(&key).await?;
        assert_eq!(loss(&leadership).await?, Loss::Deposed);
        println!("deposed after {:?} at the age of {age} ms", start.elapsed());
        worst = worst.max(start.elapsed());
        assert_eq!(leadership.resign().await.unwrap_err().kind(), Kind::NotLeader);
    }
    assert!(worst < Duration::from_millis(500), "{worst:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_whose_record_is_deleted_fails_and_never_wins() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let other = connect(&etcd, "ttl=60s").await?;
    let admin = etcd.admin().await?;
    for settle in [0, 200] {
        let leader = win(&coordinator, "billing", "leader").await?;
        let waiter = enter(&other.elector("billing")?, "waiter");
        let key = records(&etcd, "/election/billing/", 2).await?.remove(1).key;
        // Before its watches are set, or after.
        tokio::time::sleep(Duration::from_millis(settle)).await;
        admin.delete(&key).await?;
        leader.resign().await?;
        let error = within(waiter).await??.unwrap_err();
        assert_eq!(error.kind(), Kind::SessionLost, "{error}");
        records(&etcd, "/election/billing/", 0).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn waiters_whose_lease_is_revoked_fail_and_never_win() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let other = connect(&etcd, "ttl=60s").await?;
    let admin = etcd.admin().await?;
    let leader = win(&coordinator, "billing", "leader").await?;
    // Many, so that the server has more to say than its buffer of watch events holds.
    let elector = other.elector("billing")?;
    let waiters: Vec<_> = (0..300).map(|i| enter(&elector, &format!("waiter-{i}"))).collect();
    let lease = records(&etcd, "/election/billing/", 301).await?[1].session;
    admin.revoke(lease).await?;
    leader.resign().await?;
    for waiter in waiters {
        let error = within(waiter).await??.unwrap_err();
        assert_eq!(error.kind(), Kind::SessionLost, "{error}");
    }
    // A session that nobody can use any more is replaced.
    win(&other, "billing", "anew").await?.resign().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resignation_after_a_deletion_harms_nobody() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let other = connect(&etcd, "ttl=60s").await?;
    let leader = win(&coordinator, "billing", "leader").await?;
    let waiter = enter(&other.elector("billing")?, "next");
    let key = records(&etcd, "/election/billing/", 2).await?.remove(0).key;
    etcd.admin().await?.delete(&key).await?;
    // Whether the loss has been noticed by now or not.
    assert_eq!(leader.resign().await.unwrap_err().kind(), Kind::NotLeader);
    let next = within(waiter).await???;
    // Nothing may happen meanwhile: a removal in the background would have.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(next.check().is_ok());
    records(&etcd, "/election/billing/", 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_in_etcd_holds_as_long_as_the_record() -> Result<()> {
    use backend_etcd::etcd_client::TxnOp;
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    let write = |value: &str| vec![TxnOp::put("ledger", value, None)];
    coordinator.fenced(&leadership, write("one")).await?;
    let fence = coordinator.fence(&leadership)?;
    let key = records(&etcd, "/election/billing/", 1).await?.remove(0).key;
    let admin = etcd.admin().await?;
    admin.delete(&key).await?;
    // The comparison is etcd's: it holds however late we notice.
    let txn = backend_etcd::etcd_client::Txn::new().when([fence]).and_then(write("two"));
    let url = format!("http://{}", etcd.endpoints()[0]);
    let mut client = backend_etcd::etcd_client::Client::connect([url], None).await?;
    assert!(!client.txn(txn).await?.succeeded());
    assert_eq!(admin.records("ledger").await?[0].value, b"one");
    loss(&leadership).await?;
    let refused = coordinator.fenced(&leadership, write("three")).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::NotLeader);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_write_whose_answer_was_lost_may_have_been_made() -> Result<()> {
    use backend_etcd::etcd_client::TxnOp;
    let Some(etcd) = single().await? else { return Ok(()) };
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    let url = format!("etcd://{}?ttl=60s&timeout=30s", proxy.endpoint());
    let coordinator = backend_etcd::connect(&url).await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    let key = records(&etcd, "/election/billing/", 1).await?.remove(0).key;
    let admin = etcd.admin().await?;
    proxy.sever_one_way(Direction::ToClient);
    let fenced = coordinator.fenced(&leadership, vec![TxnOp::put("ledger", "one", None)]);
    let meanwhile = async {
        records(&etcd, "ledger", 1).await?;
        admin.delete(&key).await?;
        proxy.cut().await?;
        proxy.heal().await
    };
    let (outcome, done) = within(async { tokio::join!(fenced, meanwhile) }).await?;
    done?;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.to_string().contains("may have been written"), "{error}");
    Ok(())
}
