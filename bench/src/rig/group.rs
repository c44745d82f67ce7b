//! A Raft group: one member embedded in this process, the others in `driver` processes of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use election::Coordinator;
use testkit::{WorkDir, ports::Port, raft_tls::RaftCertificates};
use tokio::sync::Mutex;

use super::Setting;
use crate::raw::disk::RawDisk;
use crate::worker::Worker;

/// The addresses and folders of a group, and the members that run in processes of their own.
pub(super) struct Group {
    // Processes before folders: fields are dropped in this order.
    workers: Mutex<Vec<Worker>>,
    fast: bool,
    ports: Vec<Port>,
    folder: WorkDir,
    certificates: RaftCertificates,
}

impl Group {
    /// Reserves the addresses. Nothing is started before somebody wants to be a member.
    pub(super) fn new(setting: Setting) -> Result<Self> {
        let ports = (0..setting.servers).map(|_| Port::lease()).collect::<Result<_>>()?;
        let folder = if setting.diskless { WorkDir::in_memory } else { WorkDir::new };
        Ok(Self {
            workers: Mutex::default(),
            fast: setting.fast,
            ports,
            folder: folder("bench-raft-")?,
            certificates: RaftCertificates::new(setting.servers)?,
        })
    }

    /// Starts the group with its first member in this process; `args` are those of a driver for the others.
    pub(super) async fn embed(
        &self,
        driver: &Path,
        ttl: Duration,
        args: impl Fn(usize) -> Vec<String>,
    ) -> Result<Arc<dyn Coordinator>> {
        let others = (1..self.ports.len()).map(|i| Worker::start(driver, &args(i)));
        *self.workers.lock().await = others.collect::<Result<_>>()?;
        let (folder, files) = (self.data(0), self.certificates.query("node-1"));
        Ok(election::connect(&format!("{}&node=1&data={folder}&{files}", self.base(ttl))).await?)
    }

    /// The URL of a client of the group.
    pub(super) fn url(&self, ttl: Duration) -> String {
        format!("{}&{}", self.base(ttl), self.certificates.query("client"))
    }

    /// The URL of a process whose certificate it does not name.
    fn base(&self, ttl: Duration) -> String {
        let profile = if self.fast { "lan" } else { "default" };
        let (endpoints, ttl) = (self.endpoints().join(","), ttl.as_millis());
        format!("rafts://{endpoints}?patience=30s&profile={profile}&ttl={ttl}ms")
    }

    pub(super) fn endpoints(&self) -> Vec<String> {
        self.ports.iter().map(|port| port.address().to_string()).collect()
    }

    /// The members that run in processes of their own.
    pub(super) async fn pids(&self) -> Vec<u32> {
        self.workers.lock().await.iter().map(Worker::id).collect()
    }

    /// How many entries its log has by its own account, ever since it was formed.
    pub(super) async fn entries(&self, ttl: Duration) -> Result<f64> {
        #[cfg(feature = "raft")]
        {
            let config = backend_raft::RaftConfig::from_url(&self.url(ttl))?;
            Ok(backend_raft::RaftAdmin::new(&config)?.status().await.committed as f64)
        }
        #[cfg(not(feature = "raft"))]
        anyhow::bail!("the feature \"raft\" is off: {} has no group", self.url(ttl))
    }

    /// What makes a `driver` the member `i`, besides what all backends are told.
    pub(super) fn member_args(&self, i: usize) -> Vec<String> {
        let tls = self.certificates.folder().display().to_string();
        [
            ["--endpoints".into(), self.endpoints().join(",")],
            ["--data-dir".into(), self.data(i)],
            ["--tls-dir".into(), tls],
        ]
        .concat()
    }

    /// The folder of the member `i`.
    fn data(&self, i: usize) -> String {
        self.folder.path().join(i.to_string()).display().to_string()
    }

    /// What a committed write costs on this disk at least.
    pub(super) fn raw(&self) -> Result<RawDisk> {
        RawDisk::new(self.folder.path(), self.ports.len())
    }
}
