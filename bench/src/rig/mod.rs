//! What is measured: a backend, the servers it runs on, and the raw limit of those servers.

mod counters;
mod facts;
mod group;
mod setting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use election::{Coordinator, memory};
use testkit::{READY_WITHIN, etcd::Etcd, until, zk::Zk};
use tokio::sync::OnceCell;

pub use counters::Counters;
pub use facts::{Context, Servers};
pub use setting::{Backend, Setting, settings};

use crate::raw::{self, Raw};

/// The running servers of one [`Setting`], ended when dropped.
pub struct Rig {
    setting: Setting,
    driver: PathBuf,
    ttl: Duration,
    // Before the servers: fields are dropped in this order.
    home: OnceCell<Arc<dyn Coordinator>>,
    servers: Running,
}

enum Running {
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
            Backend::Memory => Running::Memory(memory::Service::default()),
            Backend::Etcd => Running::Etcd(Etcd::start(setting.etcd()).await?),
            Backend::Zk => Running::Zk(Zk::start(setting.zk()).await?),
            Backend::Raft => Running::Raft(group::Group::new(setting)?),
        };
        Ok(Self { setting, driver: driver.to_owned(), ttl: setting.ttl(), home: OnceCell::new(), servers })
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
        self.ttl
    }

    /// The same with sessions that a busy machine does not lose: for what is not about their end.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { ttl: Duration::from_secs(10), ..self }
    }

    /// The coordinator of this process: for Raft, an embedded member.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn home(&self) -> Result<Arc<dyn Coordinator>> {
        let connect = || async {
            match &self.servers {
                Running::Raft(group) => {
                    group.embed(&self.driver, self.ttl, |i| self.candidate(i, "members")).await
                }
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
            Running::Memory(service) => return Ok(service.connect()),
            Running::Etcd(etcd) => format!("etcd://{}?ttl={ttl}ms", etcd.authority()),
            Running::Zk(zk) => format!("zk://{}?timeout={ttl}ms", zk.authority()),
            Running::Raft(group) => group.url(self.ttl),
        };
        Ok(election::connect(&url).await?)
    }

    /// The raw limit of the same servers.
    ///
    /// # Errors
    /// When it cannot connect; always on memory, which has none.
    pub async fn raw(&self) -> Result<Box<dyn Raw>> {
        match &self.servers {
            Running::Memory(_) => bail!("memory has no raw limit"),
            Running::Etcd(etcd) => raw::etcd(&etcd.endpoints()).await,
            Running::Zk(zk) => raw::zk(&zk.authority()).await,
            Running::Raft(group) => Ok(Box::new(group.raw()?)),
        }
    }

    /// What they have done so far.
    ///
    /// # Errors
    /// When a server does not tell.
    pub async fn counters(&self) -> Result<Counters> {
        Ok(match &self.servers {
            Running::Memory(_) => Counters::of_processes([]),
            Running::Etcd(etcd) => Counters::of_etcd(etcd).await?,
            Running::Zk(zk) => Counters::of_zk(zk).await?,
            Running::Raft(group) => {
                let entries =
                    if self.home.initialized() { Some(group.entries(self.ttl).await?) } else { None };
                Counters { requests: entries, ..Counters::of_processes(group.pids().await) }
            }
        })
    }

    /// What they are.
    ///
    /// # Errors
    /// When a server does not tell.
    pub async fn facts(&self) -> Result<Servers> {
        let software = match &self.servers {
            Running::Memory(_) => "memory of the process".to_owned(),
            Running::Etcd(etcd) => {
                let metrics = etcd.metrics(0).await?;
                let version = version(&metrics, "server_version=\"", '"');
                format!("etcd {}", version.context("etcd's metrics do not tell its version")?)
            }
            Running::Zk(zk) => {
                // A server without an ensemble does not tell.
                let told = || async {
                    let answer = zk.four_letter_word(0, "srvr").await?;
                    Ok(version(&answer, "version: ", '-').map(str::to_owned))
                };
                format!("ZooKeeper {}", until("ZooKeeper's version", READY_WITHIN, told).await?)
            }
            Running::Raft(_) => format!("embedded Raft {}", env!("CARGO_PKG_VERSION")),
        };
        let (flags, settings) = (self.setting.flags(), self.setting.ours(self.ttl));
        Ok(Servers { software, count: self.setting.servers, flags, settings })
    }

    /// The clients' addresses of the servers; of an embedded group, those of its members.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        match &self.servers {
            Running::Memory(_) => Vec::new(),
            Running::Etcd(etcd) => etcd.endpoints(),
            Running::Zk(zk) => zk.endpoints(),
            Running::Raft(group) => group.endpoints(),
        }
    }

    /// The arguments that make a `driver` the `i`-th candidate of `election` on these servers.
    #[must_use]
    pub fn candidate(&self, i: usize, election: &str) -> Vec<String> {
        self.driver_args("candidate", i, election)
    }

    /// The same, through these addresses instead of the servers' own. A member of an embedded group has no others.
    #[must_use]
    pub fn candidate_through(&self, i: usize, election: &str, endpoints: &[String]) -> Vec<String> {
        self.driver_args_through("candidate", i, election, endpoints)
    }

    /// The arguments of a `driver` on these servers.
    #[must_use]
    pub fn driver_args(&self, verb: &str, i: usize, election: &str) -> Vec<String> {
        self.driver_args_through(verb, i, election, &self.endpoints())
    }

    fn driver_args_through(&self, verb: &str, i: usize, election: &str, endpoints: &[String]) -> Vec<String> {
        let mut args = vec![self.setting.backend.name(), verb, "--election", election];
        let (ttl, id) = (self.ttl().as_millis().to_string(), i.to_string());
        args.extend(["--id", &id, "--ttl-ms", &ttl]);
        let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        match &self.servers {
            Running::Memory(_) => {}
            Running::Etcd(_) | Running::Zk(_) => args.extend(["--endpoints".into(), endpoints.join(",")]),
            Running::Raft(group) => args.extend(group.member_args(i)),
        }
        args
    }
}

/// What stands between `before` and `after`.
fn version<'a>(text: &'a str, before: &str, after: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(version, _)| version)
}
