//! Observers see the truth.

use std::time::Duration;

use anyhow::{Context, Result};
use election_core::{Candidate, Coordinator, ElectorExt, Kind, LeaderEvent, MAX_VALUE_BYTES};
use futures::StreamExt;
use testkit::etcd::Etcd;
use testkit::proxy::Proxy;
use tokio::time::Instant;

use crate::support::{BOUND, connect, enter, event, event_where, log, records, renewed, single, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn the_present_first_then_every_newest_state() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let elector = coordinator.elector("billing")?;
    let mut events = elector.observe();
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    let first = win(&coordinator, "billing", "first").await?;
    let seen = event(&mut events).await?;
    let leader = seen.leader().unwrap();
    assert_eq!((leader.id.as_str(), leader.value.as_ref()), ("first", b"value of first".as_slice()));
    assert_eq!(leader.token, first.token());
    let waiter = enter(&elector, "second");
    records(&etcd, "/election/billing/", 2).await?;
    let mut late = elector.observe();
    assert_eq!(event(&mut late).await?.leader().unwrap().token, first.token());
    first.resign().await?;
    let second = within(waiter).await???;
    for events in [&mut events, &mut late] {
        let leader = event(events).await?.leader().unwrap().clone();
        assert_eq!((leader.id.as_str(), leader.token), ("second", second.token()));
    }
    second.resign().await?;
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    assert_eq!(elector.leader().await?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_observers_cost_no_request_per_change() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let watching = connect(&etcd, "ttl=60s").await?;
    let elector = watching.elector("billing")?;
    let mut observers: Vec<_> = (0..100).map(|_| elector.observe()).collect();
    for events in &mut observers {
        assert_eq!(event(events).await?, LeaderEvent::Vacant);
    }
    // The watch that all share may have begun after the last of their reads.
    win(&coordinator, "billing", "w-0").await?.resign().await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = etcd.metric(0, "grpc_server_started_total").await?;
    for round in 0..10 {
        let leadership = win(&coordinator, "billing", "w-1").await?;
        let start = Instant::now();
        for events in &mut observers {
            let seen = |event: &LeaderEvent| event.leader().is_some_and(|l| l.token == leadership.token());
            event_where(events, seen).await?;
        }
        println!("round {round}: the last of 100 observers after {:?}", start.elapsed());
        leadership.resign().await?;
    }
    let used = etcd.metric(0, "grpc_server_started_total").await? - before;
    assert!(used <= 23.0, "{used} requests for 10 campaigns and 10 resignations");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_every_few_milliseconds_loses_nothing() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=5s").await?;
    let admin = etcd.admin().await?;
    let compactions = tokio::spawn(async move {
        loop {
            let _ = admin.put("noise", b"x").await;
            let _ = admin.compact().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let elector = coordinator.elector("billing")?;
    let mut events = elector.observe();
    let mut leadership = win(&coordinator, "billing", "w-0").await?;
    for round in 1..30 {
        let waiter = enter(&elector, &format!("w-{round}"));
        records(&etcd, "/election/billing/", 2).await?;
        leadership.resign().await?;
        leadership = within(waiter).await???;
        let token = leadership.token();
        event_where(&mut events, |event| event.leader().is_some_and(|l| l.token == token)).await?;
    }
    compactions.abort();
    leadership.resign().await?;
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compacted_away_while_the_link_was_down_is_read_anew() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    let observing = backend_etcd::connect(&format!("etcd://{}?ttl=60s", proxy.endpoint())).await?;
    // So long that no renewal, which writes the record again, tells what was missed.
    let coordinator = connect(&etcd, "ttl=300s").await?;
    let mut leader = win(&coordinator, "billing", "w").await?;
    let mut events = observing.elector("billing")?.observe();
    for round in 0..5 {
        let token = leader.token();
        event_where(&mut events, |event| event.leader().is_some_and(|l| l.token == token)).await?;
        proxy.cut().await?;
        event_where(&mut events, |event| matches!(event, LeaderEvent::Disconnected { .. })).await?;
        // No watch can tell of this any more.
        leader.resign().await?;
        leader = win(&coordinator, "billing", &format!("w-{round}")).await?;
        etcd.admin().await?.compact().await?;
        proxy.heal().await?;
    }
    let token = leader.token();
    event_where(&mut events, |event| event.leader().is_some_and(|l| l.token == token)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observation_survives_a_restart_of_the_server() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    let mut events = coordinator.elector("billing")?.observe();
    let leader = event(&mut events).await?.leader().unwrap().clone();
    etcd.kill(0)?;
    match event(&mut events).await? {
        LeaderEvent::Disconnected { last, .. } => assert_eq!(last, Some(leader.clone())),
        other => panic!("{other:?}"),
    }
    let mut late = coordinator.elector("billing")?.observe();
    assert!(matches!(event(&mut late).await?, LeaderEvent::Disconnected { last: None, .. }));
    etcd.restart(0).await?;
    for events in [&mut events, &mut late] {
        assert_eq!(event(events).await?.leader(), Some(&leader));
    }
    leadership.resign().await?;
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observation_ends_with_its_coordinator() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let mut events = coordinator.elector("billing")?.observe();
    event(&mut events).await?;
    coordinator.close().await?;
    let last = within(events.next()).await?.unwrap();
    assert_eq!(last.unwrap_err().kind(), Kind::Closed);
    assert!(within(events.next()).await?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_reach_the_observers() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=60s").await?;
    let elector = coordinator.elector("billing")?;
    let large = |id: &str, byte: u8| Candidate::new(id).unwrap().with_value(vec![byte; MAX_VALUE_BYTES]);
    let mut events = elector.observe();
    event(&mut events).await?;
    let first = within(elector.campaign(large("first", 1)?)).await??;
    let waiting = {
        let (elector, candidate) = (elector.clone(), large("second", 2)?);
        tokio::spawn(async move { elector.campaign(candidate).await })
    };
    records(&etcd, "/election/billing/", 2).await?;
    assert_eq!(event(&mut events).await?.leader().unwrap().value, vec![1; MAX_VALUE_BYTES]);
    first.resign().await?;
    let _second = within(waiting).await???;
    assert_eq!(event(&mut events).await?.leader().unwrap().value, vec![2; MAX_VALUE_BYTES]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_takes_all_its_candidates_with_it() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let (ending, staying) = (connect(&etcd, "ttl=60s").await?, connect(&etcd, "ttl=60s").await?);
    let _first = win(&ending, "billing", "first").await?;
    let second = enter(&ending.elector("billing")?, "second");
    records(&etcd, "/election/billing/", 2).await?;
    let last = enter(&staying.elector("billing")?, "last");
    let queue = records(&etcd, "/election/billing/", 3).await?;
    let mut events = staying.elector("billing")?.observe();
    assert_eq!(event(&mut events).await?.leader().unwrap().id, "first");
    // The watch that tells of what follows may have begun after the first read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Both records go in one revision.
    etcd.admin().await?.revoke(queue[0].session).await?;
    assert_eq!(within(second).await??.unwrap_err().kind(), Kind::SessionLost);
    let last = within(last).await???;
    assert_eq!(event(&mut events).await?.leader().unwrap().token, last.token());
    Ok(())
}

/// How many streams of watches the server has opened.
async fn streams(etcd: &Etcd) -> Result<f64> {
    let metrics = etcd.metrics(0).await?;
    let started = |line: &&str| {
        line.starts_with("grpc_server_started_total{") && line.contains(r#"grpc_method="Watch""#)
    };
    let line = metrics.lines().find(started).context("no such metric")?;
    Ok(line.rsplit(' ').next().context("no value")?.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_piled_up_while_the_link_was_down_does_not_break_it_again() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
    let observing = backend_etcd::connect(&format!("etcd://{}?ttl=60s", proxy.endpoint())).await?;
    let mut events = observing.elector("billing")?.observe();
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    let admin = etcd.admin().await?;
    admin.put("/election/billing/foreign", b"small").await?;
    event_where(&mut events, |event| event.leader().is_some()).await?;
    proxy.cut().await?;
    event_where(&mut events, |event| matches!(event, LeaderEvent::Disconnected { .. })).await?;
    // 25 MiB of changes of one election: a server that tells them sends up to a thousand in one answer.
    for _ in 0..400 {
        admin.put("/election/billing/foreign", &[0; MAX_VALUE_BYTES]).await?;
    }
    proxy.heal().await?;
    // Read anew, on the second stream.
    event_where(&mut events, |event| event.leader().is_some()).await?;
    let before = streams(&etcd).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(streams(&etcd).await?, before, "the stream broke again");
    admin.delete("/election/billing/foreign").await?;
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_rewrites_many_large_records_breaks_no_stream() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=10s").await?;
    let elector = coordinator.elector("billing")?;
    let mut events = elector.observe();
    assert_eq!(event(&mut events).await?, LeaderEvent::Vacant);
    let leadership = win(&coordinator, "billing", "w-0").await?;
    let admin = etcd.admin().await?;
    // A renewal meanwhile is one, too: some may be missing, and far more than 4 MiB are there.
    let joined = admin.revision().await? + 100;
    for i in 0..100 {
        let candidate = Candidate::new(format!("w-{i}"))?.with_value(vec![0; MAX_VALUE_BYTES])?;
        let elector = elector.clone();
        tokio::spawn(async move { elector.campaign(candidate).await });
    }
    testkit::until("all to be in the queue", BOUND, || async {
        Ok((admin.revision().await? >= joined).then_some(()))
    })
    .await?;
    let before = streams(&etcd).await?;
    renewed(&leadership).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(streams(&etcd).await?, before, "the stream broke");
    Ok(())
}
