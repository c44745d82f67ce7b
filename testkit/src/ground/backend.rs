//! [`Backend`]: which service a ground has, and how its servers are started.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Result, bail};

use super::settings::Programs;
use crate::{
    etcd::{Etcd, EtcdOptions},
    fixture::{EtcdService, RaftService, Service, ZkService},
    need::{self, Tool},
    net::Host,
    raft::{RaftCluster, RaftOptions},
    site::Site,
    zk::{Zk, ZkOptions},
};

/// The disk of a Raft member, in MiB: its store takes a few, and it is to be filled within moments.
pub(crate) const DISK_MIB: u32 = 64;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Three etcd servers: heartbeats of 50 ms, elections of 500 ms, sessions of 2 s.
    Etcd,
    /// Three ZooKeeper servers: ticks of 100 ms, followers given up after half a second, sessions of 2 s.
    Zk,
    /// Three members of an embedded group with the default profile and TLS, sessions of 1.6 s.
    Raft,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Etcd, Self::Zk, Self::Raft];

    /// True when the machine has what it takes.
    ///
    /// # Panics
    ///
    /// Under CI, when it has not.
    #[must_use]
    pub fn is_possible(self) -> bool {
        let server = match self {
            Self::Etcd => need::has(Tool::Etcd),
            Self::Zk => need::has(Tool::ZooKeeper),
            Self::Raft => true,
        };
        server && need::has(Tool::Namespaces)
    }

    /// Starts one server per host and waits until they serve.
    pub(super) async fn start(self, hosts: &[Arc<Host>], programs: &Programs) -> Result<Box<dyn Service>> {
        let sites = Site::each(hosts);
        Ok(match self {
            Self::Etcd => {
                let timing = (Duration::from_millis(50), Duration::from_millis(500));
                let options = EtcdOptions::new().timing(timing.0, timing.1).on(sites);
                Box::new(EtcdService::over(Etcd::start(options).await?, self.ttl()))
            }
            Self::Zk => {
                let options = ZkOptions::new().tick(Duration::from_millis(100)).limits(100, 5).on(sites);
                Box::new(ZkService::over(Zk::start(options).await?, self.ttl()))
            }
            Self::Raft => {
                // Snapshots are new files, so that a full disk is noticed within seconds.
                let options = RaftOptions::new(&programs.raft_node)
                    .on(sites)
                    .secure()
                    .disk(DISK_MIB)
                    .parameter("snapshot_every", "20")
                    .parameter("keep_entries", "10");
                Box::new(RaftService::over(RaftCluster::start(options).await?, self.ttl())?)
            }
        })
    }

    /// The sessions' TTL: several of the service's own failovers long, on two busy cores.
    #[must_use]
    pub fn ttl(self) -> Duration {
        match self {
            Self::Etcd | Self::Zk => Duration::from_secs(2),
            Self::Raft => Duration::from_millis(1600),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Etcd => "etcd",
            Self::Zk => "zk",
            Self::Raft => "raft",
        })
    }
}

impl FromStr for Backend {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|backend| backend.to_string() == name) {
            Some(backend) => Ok(backend),
            None => bail!("the backend {name:?} is not known: give etcd, zk or raft"),
        }
    }
}
