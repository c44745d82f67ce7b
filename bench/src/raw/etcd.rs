//! etcd without an election: the same records, created and deleted.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use etcd_client::{Client, Compare, CompareOp, EventType, PutOptions, Txn, TxnOp, WatchOptions, WatchStream};
use futures::future::try_join_all;

use super::Raw;
use crate::clock;

/// Longer than any benchmark: the lease only makes the records like those of candidates.
const LEASE_SECONDS: i64 = 24 * 60 * 60;

/// A client that writes, one that watches, and a lease for the records.
pub(super) struct RawEtcd {
    writer: Client,
    lease: i64,
    events: WatchStream,
    /// Dropped, it would end the watch.
    _watching: Client,
}

impl RawEtcd {
    /// Connects.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub(super) async fn connect(endpoints: &[String]) -> Result<Self> {
        let writer = Client::connect(endpoints, None).await?;
        let lease = writer.lease_client().grant(LEASE_SECONDS, None).await?.id();
        let watching = Client::connect(endpoints, None).await?;
        let events =
            watching.watch_client().watch("raw/push/", Some(WatchOptions::new().with_prefix())).await?;
        Ok(Self { writer, lease, events, _watching: watching })
    }
}

#[async_trait]
impl Raw for RawEtcd {
    async fn rounds(&mut self, candidates: usize, iters: u64) -> Result<Duration> {
        let start = clock::now_ns();
        let tasks = (0..candidates).map(|i| {
            let (client, lease) = (self.writer.clone(), self.lease);
            tokio::spawn(async move {
                let key = format!("raw/pair/{i}");
                for _ in 0..iters {
                    create(&client, &key, lease).await?;
                    client.kv_client().delete(&*key, None).await?;
                }
                anyhow::Ok(())
            })
        });
        for done in try_join_all(tasks).await? {
            done?;
        }
        Ok(clock::since(start))
    }

    async fn pushes(&mut self, iters: u64) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for _ in 0..iters {
            create(&self.writer, "raw/push/x", self.lease).await?;
            next(&mut self.events, EventType::Put).await?;
            let client = self.writer.clone();
            let start = clock::now_ns();
            let delete = tokio::spawn(async move { client.kv_client().delete("raw/push/x", None).await });
            next(&mut self.events, EventType::Delete).await?;
            sum += clock::since(start);
            delete.await??;
        }
        Ok(sum)
    }
}

/// Creates the key if it is absent: the least that a join can be.
async fn create(client: &Client, key: &str, lease: i64) -> Result<()> {
    let absent = Compare::create_revision(key, CompareOp::Equal, 0);
    let put = TxnOp::put(key, "", Some(PutOptions::new().with_lease(lease)));
    let answer = client.kv_client().txn(Txn::new().when([absent]).and_then([put])).await?;
    ensure!(answer.succeeded(), "{key} was there already");
    Ok(())
}

async fn next(events: &mut WatchStream, expected: EventType) -> Result<()> {
    loop {
        let message = events.message().await?.context("the watch ended")?;
        if message.events().iter().any(|event| event.event_type() == expected) {
            return Ok(());
        }
    }
}
