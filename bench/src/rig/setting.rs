//! Which backends, how many servers, and how they are tuned.

use std::fmt;
use std::time::Duration;

use testkit::WorkDir;
use testkit::need::{self, Tool};
use testkit::{etcd::EtcdOptions, zk::ZkOptions};

/// A backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The memory of this process, the zero line: what the trait itself costs.
    Memory,
    /// etcd.
    Etcd,
    /// ZooKeeper.
    Zk,
    /// Embedded Raft.
    Raft,
}

impl Backend {
    /// Every backend whose feature is on and whose server is here. A server that is missing fails the run under
    /// CI; on a laptop its backend is left out, with a line on the terminal.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let all = [Self::Memory, Self::Etcd, Self::Zk, Self::Raft];
        all.into_iter().filter(|backend| backend.is_here()).collect()
    }

    /// Whether its feature is on and its server is here.
    #[must_use]
    pub fn is_here(self) -> bool {
        match self {
            Self::Memory => true,
            Self::Etcd => cfg!(feature = "etcd") && need::has(Tool::Etcd),
            Self::Zk => cfg!(feature = "zk") && need::has(Tool::ZooKeeper),
            Self::Raft => cfg!(feature = "raft"),
        }
    }

    /// Whether every process of ours is a server, too.
    #[must_use]
    pub fn is_embedded(self) -> bool {
        self == Self::Raft
    }

    /// Its name, as in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Etcd => "etcd",
            Self::Zk => "zk",
            Self::Raft => "raft",
        }
    }
}

/// One backend on so many servers, tuned or not. Shown as `etcd-1` or `etcd-fast-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The backend.
    pub backend: Backend,
    /// How many servers (for Raft: members).
    pub servers: usize,
    /// Whether the servers are tuned for a fast failover.
    pub fast: bool,
    /// Whether what is written to disk goes to memory instead.
    pub diskless: bool,
}

impl Setting {
    /// One server with default settings.
    #[must_use]
    pub fn single(backend: Backend) -> Self {
        Self { backend, servers: 1, fast: false, diskless: false }
    }

    /// The same, tuned.
    #[must_use]
    pub fn fast(self) -> Self {
        Self { fast: true, ..self }
    }

    /// The same without a disk, which shows what the disk costs. Only our own group is asked for that, where the system
    /// has a file system in memory.
    #[must_use]
    pub fn diskless(self) -> Option<Self> {
        let possible = self.backend.is_embedded() && WorkDir::has_memory();
        possible.then_some(Self { diskless: true, ..self })
    }

    /// The smallest TTL that such servers grant.
    #[must_use]
    pub fn ttl(self) -> Duration {
        match self.backend {
            Backend::Memory => Duration::from_secs(1),
            Backend::Etcd => self.etcd().minimum_ttl(),
            Backend::Zk => self.zk().minimum_session(),
            // Raft has no minimum worth the name: these are the profiles' own.
            Backend::Raft => Duration::from_millis(if self.fast { 100 } else { 600 }),
        }
    }

    /// The servers' own settings, as they are started with.
    #[must_use]
    pub fn flags(self) -> String {
        match (self.backend, self.fast) {
            (Backend::Memory, _) => String::new(),
            (Backend::Etcd, false) => {
                "--heartbeat-interval=100 --election-timeout=1000 (the defaults)".into()
            }
            (Backend::Etcd, true) => "--heartbeat-interval=10 --election-timeout=50".into(),
            (Backend::Zk, false) => "tickTime=2000 initLimit=10 syncLimit=5 (the usual ones)".into(),
            (Backend::Zk, true) => "tickTime=100 initLimit=100 syncLimit=2".into(),
            (Backend::Raft, false) => "profile=default".into(),
            (Backend::Raft, true) => "profile=lan".into(),
        }
    }

    /// Our own settings, as in the URL; what is not named is as it comes.
    #[must_use]
    pub fn ours(self, ttl: Duration) -> String {
        let ttl = ttl.as_millis();
        match self.backend {
            Backend::Memory => String::new(),
            Backend::Etcd => format!("ttl={ttl}ms"),
            Backend::Zk => format!("timeout={ttl}ms"),
            Backend::Raft if self.diskless => format!("ttl={ttl}ms, mutual TLS, data in memory (tmpfs)"),
            Backend::Raft => format!("ttl={ttl}ms, mutual TLS"),
        }
    }

    pub(super) fn etcd(self) -> EtcdOptions {
        let options = EtcdOptions::new().nodes(self.servers);
        if self.fast { options.fast() } else { options }
    }

    pub(super) fn zk(self) -> ZkOptions {
        let options = ZkOptions::new().nodes(self.servers);
        if self.fast { options.fast() } else { options }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.backend, self.fast) {
            (Backend::Memory, _) => f.write_str("memory"),
            (backend, false) => write!(f, "{}-{}", backend.name(), self.servers),
            (backend, true) => write!(f, "{}-fast-{}", backend.name(), self.servers),
        }
    }
}

/// Every backend that can run here, on each of these numbers of servers.
#[must_use]
pub fn settings(servers: &[usize]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for backend in Backend::all() {
        // The memory of a process is one, however many servers the others have.
        let counts = if backend == Backend::Memory { &[1][..] } else { servers };
        settings.extend(counts.iter().map(|&servers| Setting { servers, ..Setting::single(backend) }));
    }
    settings
}
