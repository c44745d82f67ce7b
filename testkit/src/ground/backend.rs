//! [`Backend`]: which service a ground has, and how its servers are started.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use election_core::ElectionName;

use super::settings::Settings;
use crate::{
    etcd::{Etcd, EtcdOptions},
    fixture::{EtcdService, RaftService, Service, ZkService},
    need::{self, Tool},
    net::Host,
    node::Node,
    raft::{Candidates, RaftCluster, RaftOptions},
    site::Site,
    zk::{Zk, ZkOptions},
};

/// The disk of a Raft member, in MiB: its store takes a few, and it is to be filled within moments.
pub(crate) const DISK_MIB: u32 = 64;

/// etcd's election timeout; it waits for up to twice as long.
const ETCD_ELECTION: Duration = Duration::from_millis(500);

/// ZooKeeper's tick, and how many of them a follower stays with a leader that it does not hear.
const ZK_TICK: Duration = Duration::from_millis(100);
const ZK_SYNC_LIMIT: u32 = 30;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Three etcd servers: heartbeats of 50 ms, elections of 500 ms, sessions of 2 s.
    Etcd,
    /// Three ZooKeeper servers: ticks of 100 ms, sessions of 2 s. A follower stays with a leader that it does not hear for
    /// longer than a session, 3 s, and answers its clients' pings meanwhile: the worst that a configuration can do.
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

    /// Starts one server per host and waits until they serve. Those that contend are told apart.
    pub(super) async fn start(
        self,
        hosts: &[Arc<Host>],
        settings: &Settings,
        election: &ElectionName,
    ) -> Result<(Box<dyn Service>, Vec<Arc<Node>>)> {
        let sites = Site::each(hosts);
        let mut members = Vec::new();
        let service: Box<dyn Service> = match self {
            Self::Etcd => {
                let options = EtcdOptions::new().timing(Duration::from_millis(50), ETCD_ELECTION).on(sites);
                Box::new(EtcdService::over(Etcd::start(options).await?, self.ttl()))
            }
            Self::Zk => {
                let options = ZkOptions::new().tick(ZK_TICK).limits(100, ZK_SYNC_LIMIT).on(sites);
                Box::new(ZkService::over(Zk::start(options).await?, self.ttl()))
            }
            Self::Raft => {
                // Snapshots are new files, so that a full disk is noticed within seconds.
                let programs = &settings.programs;
                let program = if settings.members { &programs.contender } else { &programs.raft_node };
                let mut options = RaftOptions::new(program)
                    .on(sites)
                    .secure()
                    .disk(DISK_MIB)
                    .parameter("snapshot_every", "20")
                    .parameter("keep_entries", "10");
                if settings.members {
                    options = options.parameter("ttl", format!("{}ms", self.ttl().as_millis()));
                    options = options.with_candidates(Candidates {
                        election: election.to_string(),
                        histories: settings.histories(),
                        sink: settings.sink(),
                        seed: settings.seed,
                    });
                }
                let group = RaftCluster::start(options).await?;
                if settings.members {
                    members = (0..group.nodes()).map(|i| Arc::clone(group.node(i))).collect();
                }
                Box::new(RaftService::over(group, self.ttl())?)
            }
        };
        service.ready().await?;
        Ok((service, members))
    }

    /// The name that the workers' election has there.
    pub(super) fn election(self, root: &str, name: &str) -> Result<ElectionName> {
        Ok(match self {
            Self::Etcd | Self::Zk => ElectionName::new(name)?,
            // A group has no roots.
            Self::Raft => ElectionName::new(format!("{root}.{name}"))?,
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

    /// How long the servers may take to agree on a leader of their own, once a majority of them can talk to each other.
    #[must_use]
    pub fn failover(self) -> Duration {
        match self {
            // Without a pre-vote a member that comes back disturbs the first election; the second decides. The new leader
            // lets every lease live one election timeout longer.
            Self::Etcd => ETCD_ELECTION * 5,
            Self::Zk => ZK_TICK * ZK_SYNC_LIMIT,
            // Two elections of the default profile.
            Self::Raft => Duration::from_millis(500),
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
