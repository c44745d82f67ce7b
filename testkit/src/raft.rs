//! A Raft group of our own members, each in a process of its own.

use std::{fs, ops::Deref, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use futures::future::try_join_all;

use crate::{
    node::Launch,
    poll::{READY_WITHIN, until},
    ports::Port,
    raft_tls::RaftCertificates,
    servers::Servers,
    site::Site,
};

/// How a [`RaftCluster`] is started.
#[derive(Clone, Debug)]
pub struct RaftOptions {
    program: PathBuf,
    /// One per member.
    sites: Vec<Site>,
    profile: String,
    disk: Option<u32>,
    extra: Vec<(String, String)>,
    secure: bool,
    candidates: Option<Candidates>,
}

/// What members need that contend themselves: each is a `testkit-contender` with the id `member-<number from 0>`.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// The election.
    pub election: String,
    /// Where the histories go.
    pub histories: PathBuf,
    /// What they write their work to.
    pub sink: PathBuf,
    /// Decides what they leave to chance.
    pub seed: u64,
}

impl Candidates {
    /// The id of the candidate of member `i`.
    #[must_use]
    pub fn id(i: usize) -> String {
        format!("member-{i}")
    }

    /// The file that it records in.
    #[must_use]
    pub fn history(&self, i: usize) -> PathBuf {
        self.histories.join(format!("{}.jsonl", Self::id(i)))
    }

    fn args(&self, i: usize, url: String) -> Vec<String> {
        let args = [
            ("url", url),
            ("election", self.election.clone()),
            ("id", Self::id(i)),
            ("history", self.history(i).display().to_string()),
            ("sink", self.sink.display().to_string()),
            ("seed", self.seed.to_string()),
        ];
        args.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]).collect()
    }
}

impl RaftOptions {
    /// Three members with the `default` profile. `program` is the binary `raft-node`: in the integration tests of this
    /// package `env!("CARGO_BIN_EXE_testkit-raft-node")`, which is built from the same source and never stale.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            sites: vec![Site::Loopback; 3],
            profile: "default".to_owned(),
            disk: None,
            extra: Vec::new(),
            secure: false,
            candidates: None,
        }
    }

    /// That many members, on loopback.
    #[must_use]
    pub fn nodes(self, nodes: usize) -> Self {
        self.on(vec![Site::Loopback; nodes])
    }

    /// One member at each of the sites.
    #[must_use]
    pub fn on(mut self, sites: Vec<Site>) -> Self {
        self.sites = sites;
        self
    }

    /// TLS between the members and for their clients, with an authority of the group's own: see
    /// [`RaftCluster::query`].
    #[must_use]
    pub fn secure(self) -> Self {
        Self { secure: true, ..self }
    }

    /// A disk of that many MiB for each member's data, which can be filled. It takes [hosts](Site::Host).
    #[must_use]
    pub fn disk(mut self, mebibytes: u32) -> Self {
        self.disk = Some(mebibytes);
        self
    }

    /// Members that contend: then the program is `testkit-contender`.
    #[must_use]
    pub fn with_candidates(mut self, candidates: Candidates) -> Self {
        self.candidates = Some(candidates);
        self
    }

    /// The timing: `lan`, `default` or `wan`.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = profile.into();
        self
    }

    /// One more parameter of the member's URL, e.g. `snapshot_every`.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }
}

/// A running Raft group, ended when dropped.
///
/// Kill, pause and restart them as [`Servers`], which numbers them from 0; their own ids, in URLs and logs, are from 1.
#[derive(Debug)]
pub struct RaftCluster {
    servers: Servers,
    ports: Vec<Port>,
    options: RaftOptions,
    certificates: Option<RaftCertificates>,
}

impl RaftCluster {
    /// Starts the members and waits until each of them knows the group's Raft leader. Members that contend do not tell:
    /// there, ask [`RaftService`](crate::fixture::RaftService).
    ///
    /// # Errors
    ///
    /// When a member ends by itself (its log is in the message) or is not ready in time.
    pub async fn start(options: RaftOptions) -> Result<Self> {
        let ports = options.sites.iter().map(|site| site.port(7001)).collect::<Result<Vec<_>>>()?;
        let certificates = options.secure.then(|| RaftCertificates::new(ports.len())).transpose()?;
        let mut cluster = Self { servers: Servers::in_folder("raft-")?, ports, options, certificates };
        for i in 0..cluster.options.sites.len() {
            cluster.mount_disk(i)?;
            let launch = cluster.launch(i)?;
            cluster.servers.start(launch)?;
        }
        if cluster.options.candidates.is_none() {
            cluster.wait_ready().await?;
        }
        Ok(cluster)
    }

    /// Once, before the first start: a restarted member must find what it wrote.
    fn mount_disk(&self, i: usize) -> Result<()> {
        let Some(mebibytes) = self.options.disk else { return Ok(()) };
        let host = self.options.sites[i].host().context("a disk takes a host: see RaftOptions::on")?;
        let data = self.data(i);
        fs::create_dir_all(&data)?;
        host.mount_disk(&data, mebibytes)
    }

    fn launch(&self, i: usize) -> Result<Launch> {
        let data = self.data(i);
        fs::create_dir_all(&data)?;
        let options = &self.options;
        let mut url = format!(
            "{}://{}?node={}&data={}&profile={}&{}",
            self.scheme(),
            self.authority(),
            i + 1,
            data.display(),
            options.profile,
            self.query(&format!("node-{}", i + 1))
        );
        for (name, value) in &options.extra {
            url += &format!("&{name}={value}");
        }
        Ok(Launch {
            name: format!("raft-node-{}", i + 1),
            program: options.program.clone(),
            args: match &options.candidates {
                Some(candidates) => candidates.args(i, url),
                None => vec![url],
            },
            env: vec![("RUST_LOG".to_owned(), "info".to_owned())],
            log: self.folder().join(format!("n{}.log", i + 1)),
            site: options.sites[i].clone(),
        })
    }

    /// The members' addresses, as `<ip>:<port>`.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.ports.iter().map(|port| port.address().to_string()).collect()
    }

    /// The same with a comma between them: the middle of a `raft://…` URL.
    #[must_use]
    pub fn authority(&self) -> String {
        self.endpoints().join(",")
    }

    /// `rafts` or `raft`, for the URL of a client.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "rafts" } else { "raft" }
    }

    /// The parameters of a URL by which `who` proves who it is: `client`, `admin`, or a member, as `node-1`. Beyond
    /// loopback, in a network that nobody else is in, it may be plaintext.
    #[must_use]
    pub fn query(&self, who: &str) -> String {
        self.certificates.as_ref().map_or_else(|| "plaintext=yes".to_owned(), |files| files.query(who))
    }

    /// The timing it was started with, for the URL of a client.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.options.profile
    }

    /// True when the members contend.
    #[must_use]
    pub fn has_candidates(&self) -> bool {
        self.options.candidates.is_some()
    }

    /// Starts a member again with its data and port (after a kill if it still runs) and waits until it knows a Raft
    /// leader; with a majority still down, use [`restart_unready`](Servers::restart_unready).
    ///
    /// # Errors
    ///
    /// When it is not ready in time.
    pub async fn restart(&self, i: usize) -> Result<()> {
        self.restart_unready(i)?;
        self.leader_found_by(i, READY_WITHIN).await.map(drop)
    }

    /// Waits until every member has found a Raft leader since it was started.
    ///
    /// # Errors
    ///
    /// When one has ended, or is not ready in time.
    pub async fn wait_ready(&self) -> Result<()> {
        try_join_all((0..self.nodes()).map(|i| self.leader_found_by(i, READY_WITHIN))).await.map(drop)
    }

    /// The number of the Raft leader that member `i` found when it was last started. There may be another by now.
    ///
    /// # Errors
    ///
    /// When it has ended, or has found none within `bound`.
    pub async fn leader_found_by(&self, i: usize, bound: Duration) -> Result<usize> {
        let node = self.node(i);
        let leader = until(&format!("{} to be ready", node.name()), bound, || async move {
            node.expect_running()?;
            Ok(leader_in(&node.output_since_start()))
        })
        .await;
        leader.with_context(|| format!("the end of its log:\n{}", node.log_tail()))
    }

    /// Where the data of one member are.
    #[must_use]
    pub fn data(&self, i: usize) -> PathBuf {
        self.folder().join(format!("n{}", i + 1))
    }
}

impl Deref for RaftCluster {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        &self.servers
    }
}

/// From the line `ready node=1 leader=2`.
fn leader_in(output: &str) -> Option<usize> {
    let ready = output.lines().find(|line| line.starts_with("ready node="))?;
    let (_, leader) = ready.rsplit_once("leader=")?;
    leader.trim().parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_read() {
        assert_eq!(leader_in("noise\nready node=1 leader=3\n"), Some(2));
        assert_eq!(leader_in("noise"), None);
    }
}
