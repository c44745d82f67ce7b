//! ZooKeeper without an election: the same znodes, created and deleted.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use futures::future::try_join_all;
use zookeeper_client::{Acls, Client, CreateMode};

use super::Raw;
use crate::clock;

/// A client that writes and one that watches.
pub(super) struct RawZk {
    writer: Client,
    watcher: Client,
}

impl RawZk {
    /// Connects.
    ///
    /// # Errors
    /// When ZooKeeper does not answer.
    pub(super) async fn connect(servers: &str) -> Result<Self> {
        let raw = Self { writer: Client::connect(servers).await?, watcher: Client::connect(servers).await? };
        raw.writer.mkdir("/raw", &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
        raw.watcher.sync("/raw").await?;
        Ok(raw)
    }
}

#[async_trait]
impl Raw for RawZk {
    async fn rounds(&mut self, candidates: usize, iters: u64) -> Result<Duration> {
        let start = clock::now_ns();
        let tasks = (0..candidates).map(|_| {
            let client = self.writer.clone();
            tokio::spawn(async move {
                for _ in 0..iters {
                    let path = create(&client).await?;
                    client.delete(&path, None).await?;
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
            let path = create(&self.writer).await?;
            self.watcher.sync(&path).await?;
            let (_, gone) = self.watcher.check_and_watch_stat(&path).await?;
            let client = self.writer.clone();
            let start = clock::now_ns();
            let delete = tokio::spawn(async move { client.delete(&path, None).await });
            gone.changed().await;
            sum += clock::since(start);
            delete.await??;
        }
        Ok(sum)
    }
}

async fn create(client: &Client) -> Result<String> {
    let mode = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let (_, sequence) = client.create("/raw/n-", b"", &mode).await?;
    Ok(format!("/raw/n-{sequence}"))
}
