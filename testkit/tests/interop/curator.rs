//! The laws with Curator's `LeaderLatch`.

use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use testkit::fixture::{Service, ZkService};
use testkit::interop::Latch;
use testkit::need::{self, Tool};
use testkit::zk::{Zk, ZkOptions};
use tokio::time::timeout;

use crate::laws::{self, Side, Theirs};
use crate::ours::SOON;

/// Long enough for a JVM that shares two cores with others.
const SESSION: Duration = Duration::from_secs(6);

struct Curator(ZkService);

async fn side(nodes: usize) -> Result<Option<Curator>> {
    if !need::has(Tool::ZooKeeper) || !need::has(Tool::Curator) {
        return Ok(None);
    }
    let servers = Zk::start(ZkOptions::new().nodes(nodes).tick(Duration::from_secs(1))).await?;
    Ok(Some(Curator(ZkService::over(servers, SESSION))))
}

#[async_trait]
impl Side for Curator {
    fn service(&self) -> &dyn Service {
        &self.0
    }

    async fn join(&self, path: &str, value: &str) -> Result<Box<dyn Theirs>> {
        // Its id is the data of its znode.
        Ok(Box::new(Latch::join(&self.0.endpoints().join(","), path, value, SESSION).await?))
    }
}

#[async_trait]
impl Theirs for Latch {
    async fn leads(&mut self) -> Result<()> {
        self.leads(SOON).await
    }

    fn leads_now(&mut self) -> bool {
        self.leads_now()
    }

    async fn sees(&mut self, value: &str) -> Result<()> {
        // It asks its server, which may lag behind the others.
        let look = async {
            while self.sees().await?.as_deref() != Some(value) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        timeout(SOON, look).await.with_context(|| format!("their observer does not see {value:?}"))?
    }

    async fn resign(&mut self) -> Result<()> {
        self.resign().await
    }
}

laws::hold!();
