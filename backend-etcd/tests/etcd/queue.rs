//! Who wins, in which order, and what that costs.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use election_core::Coordinator;
use testkit::etcd::Etcd;
use tokio::time::Instant;

use crate::support::{candidate, connect, enter, records, single, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_sole_candidate_wins_and_resigns() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=2s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    let found = records(&etcd, "/election/billing/", 1).await?;
    assert_eq!(found[0].value, b"value of w-1");
    assert_eq!(leadership.token().get(), found[0].order.unsigned_abs());
    assert_eq!(leadership.check()?, leadership.token());
    let token = leadership.token();
    leadership.resign().await?;
    records(&etcd, "/election/billing/", 0).await?;
    let again = win(&coordinator, "billing", "w-1").await?;
    assert!(again.token() > token);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn first_come_first_served_also_across_processes() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinators = [connect(&etcd, "ttl=2s").await?, connect(&etcd, "ttl=2s").await?];
    let mut leadership = win(&coordinators[0], "billing", "w-0").await?;
    let mut waiting = Vec::new();
    for place in 1..8 {
        let elector = coordinators[place % 2].elector("billing")?;
        waiting.push(enter(&elector, &format!("w-{place}")));
        // The next one arrives later.
        records(&etcd, "/election/billing/", place + 1).await?;
    }
    for (place, waiter) in waiting.into_iter().enumerate() {
        assert!(!waiter.is_finished());
        let token = leadership.token();
        leadership.resign().await?;
        leadership = within(waiter).await???;
        assert_eq!(leadership.candidate().id().as_str(), format!("w-{}", place + 1));
        assert!(leadership.token() > token);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_in_the_middle_that_leaves_is_skipped() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=2s").await?;
    let leader = win(&coordinator, "billing", "leader").await?;
    let elector = coordinator.elector("billing")?;
    let middle = enter(&elector, "middle");
    records(&etcd, "/election/billing/", 2).await?;
    let last = enter(&elector, "last");
    records(&etcd, "/election/billing/", 3).await?;
    middle.abort();
    records(&etcd, "/election/billing/", 2).await?;
    assert!(!last.is_finished());
    leader.resign().await?;
    assert_eq!(within(last).await???.candidate().id().as_str(), "last");
    Ok(())
}

/// The sum of the requests that the server has handled, without those of this question.
async fn requests(etcd: &Etcd) -> Result<f64> {
    etcd.metric(0, "grpc_server_started_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_one_request_and_so_is_a_resign() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    win(&coordinator, "billing", "w-1").await?.resign().await?;
    let before = requests(&etcd).await?;
    for _ in 0..100 {
        win(&coordinator, "billing", "w-1").await?.resign().await?;
    }
    let used = requests(&etcd).await? - before;
    // 200, and at most a few for the watch that a slow cycle is worth.
    assert!((200.0..=205.0).contains(&used), "{used} requests for 100 cycles");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_is_the_resign_and_one_look_however_long_the_queue_is() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let mut leadership = win(&coordinator, "billing", "w-0").await?;
    let elector = coordinator.elector("billing")?;
    let mut waiting = Vec::new();
    for place in 1..=50 {
        waiting.push(enter(&elector, &format!("w-{place}")));
        records(&etcd, "/election/billing/", place + 1).await?;
    }
    // Whoever has just arrived may still be looking.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = requests(&etcd).await?;
    for waiter in waiting {
        leadership.resign().await?;
        leadership = within(waiter).await???;
    }
    let used = requests(&etcd).await? - before;
    assert!(used <= 102.0, "{used} requests for 50 handovers");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_is_fast_also_to_a_follower_that_has_just_arrived() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let first = connect(&etcd, "ttl=5s").await?;
    let second = connect(&etcd, "ttl=5s").await?;
    let admin = etcd.admin().await?;
    let mut times = Vec::new();
    for round in 0..20 {
        let leadership = win(&first, "billing", "first").await?;
        let waiter = enter(&second.elector("billing")?, "second");
        // Others write, so that the revision of the join has passed when the watch begins: the server would let
        // a watch from there wait for up to 100 ms.
        for _ in 0..10 {
            admin.put("noise", b"x").await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let start = Instant::now();
        leadership.resign().await?;
        let won = within(waiter).await???;
        times.push(start.elapsed());
        assert!(won.token().get() > round);
        won.resign().await?;
    }
    times.sort();
    println!("handover: median {:?}, max {:?}", times[10], times[19]);
    assert!(times[10] < Duration::from_millis(40), "{times:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_to_the_second_in_line_is_one_request() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let first = connect(&etcd, "ttl=60s").await?;
    let second = connect(&etcd, "ttl=60s").await?;
    for _ in 0..5 {
        let leadership = win(&first, "billing", "first").await?;
        let waiter = enter(&second.elector("billing")?, "second");
        records(&etcd, "/election/billing/", 2).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = requests(&etcd).await?;
        leadership.resign().await?;
        let won = within(waiter).await???;
        assert_eq!(requests(&etcd).await? - before, 1.0);
        won.resign().await?;
    }
    Ok(())
}

/// A name that existed once slows every later look at the queue until etcd compacts.
#[tokio::test(flavor = "multi_thread")]
async fn an_elector_uses_one_name_again_and_again() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let mut names = HashSet::new();
    let coordinators = [connect(&etcd, "ttl=60s").await?, connect(&etcd, "ttl=60s").await?];
    let electors = [coordinators[0].elector("billing")?, coordinators[1].elector("billing")?];
    let mut leadership = within(electors[0].campaign(candidate("w-0"))).await??;
    for round in 1..=20 {
        let place = round % 2;
        let waiter = enter(&electors[place], &format!("w-{place}"));
        names.extend(records(&etcd, "/election/billing/", 2).await?.into_iter().map(|record| record.key));
        assert!(!waiter.is_finished());
        let token = leadership.token();
        leadership.resign().await?;
        leadership = within(waiter).await???;
        assert!(leadership.token() > token);
        assert!(leadership.check().is_ok());
    }
    assert_eq!(names.len(), 2, "{names:?}");
    Ok(())
}
