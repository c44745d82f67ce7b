//! The laws with `etcdctl elect`.

use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use testkit::etcd::{Etcd, EtcdOptions};
use testkit::fixture::{EtcdService, Service};
use testkit::interop::{Elect, Listen};
use testkit::need::{self, Tool};

use crate::laws::{self, Side, Theirs};
use crate::ours::SOON;

struct Etcdctl(EtcdService);

async fn side(nodes: usize) -> Result<Option<Etcdctl>> {
    if !need::has(Tool::Etcd) || !need::has(Tool::Etcdctl) {
        return Ok(None);
    }
    let servers = Etcd::start(EtcdOptions::new().nodes(nodes)).await?;
    Ok(Some(Etcdctl(EtcdService::over(servers, Duration::from_secs(5)))))
}

#[async_trait]
impl Side for Etcdctl {
    fn service(&self) -> &dyn Service {
        &self.0
    }

    async fn join(&self, path: &str, value: &str) -> Result<Box<dyn Theirs>> {
        let endpoints = self.0.endpoints();
        let elect = Some(Elect::join(&endpoints, path, value)?);
        Ok(Box::new(Candidate { elect, listen: Listen::to(&endpoints, path)?, path: path.to_owned() }))
    }
}

struct Candidate {
    /// `None` once it has resigned: that ends it.
    elect: Option<Elect>,
    listen: Listen,
    path: String,
}

#[async_trait]
impl Theirs for Candidate {
    async fn leads(&mut self) -> Result<()> {
        let Some(elect) = &mut self.elect else { return laws::has_resigned() };
        let key = elect.leads(SOON).await?;
        ensure!(key.starts_with(&format!("{}/", self.path)), "it leads with {key}");
        Ok(())
    }

    fn leads_now(&mut self) -> bool {
        self.elect.as_mut().is_some_and(Elect::leads_now)
    }

    async fn sees(&mut self, value: &str) -> Result<()> {
        let seen = self.listen.next_leader(SOON).await?;
        ensure!(seen == value, "their observer sees {seen:?} and not {value:?}");
        Ok(())
    }

    async fn resign(&mut self) -> Result<()> {
        match self.elect.take() {
            Some(elect) => elect.resign().await,
            None => laws::has_resigned(),
        }
    }
}

laws::hold!();
