//! A thousand elections on one session.

use std::time::Duration;

use anyhow::Result;
use election_core::Coordinator;
use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;

use crate::support::{candidate, connect, records, single};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_elections_on_one_session() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    let coordinator = connect(&etcd, "ttl=6s").await?;
    let start = Instant::now();
    let campaigns = (0..1000).map(|election| {
        let elector = coordinator.elector(&format!("e-{election}"));
        async move { elector?.campaign(candidate("w-1")).await }
    });
    let held: Vec<_> = stream::iter(campaigns).buffer_unordered(64).collect().await;
    let held = held.into_iter().collect::<election_core::Result<Vec<_>>>()?;
    println!("1000 elections won in {:?}", start.elapsed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = etcd.metric(0, "grpc_server_started_total").await?;
    let until = Instant::now() + Duration::from_secs(13);
    while Instant::now() < until {
        assert!(held.iter().all(|leadership| leadership.check().is_ok()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A proof every 2 s: a grant, eight transactions of 128 records, a revocation. No stream is opened anew.
    let used = etcd.metric(0, "grpc_server_started_total").await? - before;
    println!("{used} requests in 13 s");
    assert!(used <= 7.0 * 10.0, "{used} requests in 13 s");
    let leases = etcd.admin().await?.leases().await?.len();
    assert!(leases <= 2, "{leases} leases");
    let start = Instant::now();
    coordinator.close().await?;
    println!("closed in {:?}", start.elapsed());
    assert!(held.iter().all(|leadership| leadership.check().is_err()));
    records(&etcd, "/election/", 0).await?;
    Ok(())
}
