//! What is measured: a backend, the servers it runs on, and the raw limit of those servers.

mod group;
mod setting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use election::{Coordinator, memory};
use testkit::{etcd::Etcd, zk::Zk};
use tokio::sync::OnceCell;

pub use setting::{Backend, Setting, settings};

use crate::raw::{self, Raw};

/// The running servers of one [`Setting`], ended when dropped.
pub struct Rig {
    setting: Setting,
    driver: PathBuf,
    // Before the servers: fields are dropped in this order.
    home: OnceCell<Arc<dyn Coordinator>>,
    servers: Servers,
}

enum Servers {
    Memory(memory::Service),
    Etcd(Etcd),
    Zk(Zk),
    Raft(group::Group),
}

impl Rig {
    /// Starts the servers and waits until they serve.
    ///
    /// # Errors
    /// When they cannot be started.
    pub async fn start(setting: Setting, driver: &Path) -> Result<Self> {
        let servers = match setting.backend {
            Backend::Memory => Servers::Memory(memory::Service::default()),
            Backend::Etcd => Servers::Etcd(Etcd::start(setting.etcd()).await?),
            Backend::Zk => Servers::Zk(Zk::start(setting.zk()).await?),
            Backend::Raft => Servers::Raft(group::Group::new(setting)?),
        };
        Ok(Self { setting, driver: driver.to_owned(), home: OnceCell::new(), servers })
    }

    /// What this is a rig of.
    #[must_use]
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// The `driver` program.
    #[must_use]
    pub fn driver(&self) -> &Path {
        &self.driver
    }

    /// The session's TTL: see [`Setting::ttl`].
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.setting.ttl()
    }

    /// The coordinator of this process: for Raft, an embedded member.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn home(&self) -> Result<Arc<dyn Coordinator>> {
        let connect = || async {
            match &self.servers {
                Servers::Raft(group) => group.embed(&self.driver, |i| self.candidate(i, "members")).await,
                _ => self.away().await,
            }
        };
        self.home.get_or_try_init(connect).await.cloned()
    }

    /// One more coordinator, with a connection and a session of its own, as another process would have.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn away(&self) -> Result<Arc<dyn Coordinator>> {
        let ttl = self.ttl().as_millis();
        let url = match &self.servers {
            Servers::Memory(service) => return Ok(service.connect()),
            Servers::Etcd(etcd) => format!("etcd://{}?ttl={ttl}ms", etcd.authority()),
            Servers::Zk(zk) => format!("zk://{}?timeout={ttl}ms", zk.authority()),
            Servers::Raft(group) => group.url(),
        };
        Ok(election::connect(&url).await?)
    }

    /// The raw limit of the same servers.
    ///
    /// # Errors
    /// When it cannot connect; always on memory, which has none.
    pub async fn raw(&self) -> Result<Box<dyn Raw>> {
        match &self.servers {
            Servers::Memory(_) => bail!("memory has no raw limit"),
            Servers::Etcd(etcd) => raw::etcd(&etcd.endpoints()).await,
            Servers::Zk(zk) => raw::zk(&zk.authority()).await,
            Servers::Raft(group) => Ok(Box::new(group.raw()?)),
        }
    }

    /// The arguments that make a `driver` the `i`-th candidate of `election` on these servers.
    #[must_use]
    pub fn candidate(&self, i: usize, election: &str) -> Vec<String> {
        self.driver_args("candidate", i, election)
    }

    /// The arguments of a `driver` on these servers.
    #[must_use]
    pub fn driver_args(&self, verb: &str, i: usize, election: &str) -> Vec<String> {
        let mut args = vec![self.setting.backend.name(), verb, "--election", election];
        let (ttl, id) = (self.ttl().as_millis().to_string(), i.to_string());
        args.extend(["--id", &id, "--ttl-ms", &ttl]);
        let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        match &self.servers {
            Servers::Memory(_) => {}
            Servers::Etcd(etcd) => args.extend(["--endpoints".into(), etcd.authority()]),
            Servers::Zk(zk) => args.extend(["--endpoints".into(), zk.authority()]),
            Servers::Raft(group) => args.extend(group.member_args(i)),
        }
        args
    }
}
