//! The servers.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::{
    ZkOptions, four_letter,
    launch::{Ports, launch},
};
use crate::{
    node::{Node, show_logs_of_failed_test},
    poll::{READY_WITHIN, until},
    tls::Certificates,
    work_dir::WorkDir,
};

/// A running ZooKeeper of one or more servers, ended when dropped.
///
/// Servers are numbered from 0 (ZooKeeper's own ids, in its logs, are from 1).
#[derive(Debug)]
pub struct Zk {
    // The servers first: fields are dropped in this order, and a server must be down before its folder goes.
    members: Vec<Member>,
    options: ZkOptions,
    folder: WorkDir,
}

#[derive(Debug)]
struct Member {
    node: Node,
    ports: Ports,
}

impl Zk {
    /// One server with usual settings.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn single() -> Result<Self> {
        Self::start(ZkOptions::new()).await
    }

    /// Three servers with usual settings.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn three() -> Result<Self> {
        Self::start(ZkOptions::new().nodes(3)).await
    }

    /// Starts the servers and waits until each of them serves clients.
    ///
    /// # Errors
    ///
    /// When ZooKeeper or Java is not installed, a server ends by itself (its log is in the message) or is not ready in
    /// time.
    pub async fn start(options: ZkOptions) -> Result<Self> {
        let folder = WorkDir::new("zk-")?;
        let ports = options.sites.iter().map(Ports::at).collect::<Result<Vec<_>>>()?;
        let ensemble: Vec<String> = ports.iter().enumerate().map(|(i, ports)| ports.line(i)).collect();
        let mut members = Vec::with_capacity(ports.len());
        for (i, ports) in ports.into_iter().enumerate() {
            let node = Node::start(launch(i, &ports, &ensemble, &options, folder.path())?)?;
            members.push(Member { node, ports });
        }
        let zk = Self { members, options, folder };
        zk.wait_ready().await?;
        Ok(zk)
    }

    /// How many servers there are, running or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.members.len()
    }

    /// The servers' client addresses, as `<ip>:<port>`.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        (0..self.nodes()).map(|i| self.address(i).to_string()).collect()
    }

    /// The addresses of the TLS ports, open only when started with [`ZkOptions::tls`].
    #[must_use]
    pub fn secure_endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| member.ports.secure.address().to_string()).collect()
    }

    /// [`endpoints`](Self::endpoints) with a comma between them: a connect string, and the middle of a `zk://…` URL.
    #[must_use]
    pub fn authority(&self) -> String {
        self.endpoints().join(",")
    }

    /// The settings it was started with.
    #[must_use]
    pub fn options(&self) -> &ZkOptions {
        &self.options
    }

    /// The certificates to connect with, if it was started with TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.options.certificates.as_ref()
    }

    /// The process of one server, e.g. for its id.
    ///
    /// # Panics
    ///
    /// When there is no such server; so do all methods that take a number.
    #[must_use]
    pub fn node(&self, i: usize) -> &Node {
        &self.members[i].node
    }

    /// SIGKILL. Its data stay for [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self, i: usize) -> Result<()> {
        self.node(i).kill()
    }

    /// SIGSTOP: the server's connections stay open and say nothing.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn pause(&self, i: usize) -> Result<()> {
        self.node(i).pause()
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn resume(&self, i: usize) -> Result<()> {
        self.node(i).resume()
    }

    /// Starts a server again with its data and ports (after a kill if it still runs) and waits until it is ready;
    /// with a majority still down, use [`restart_unready`](Self::restart_unready).
    ///
    /// # Errors
    ///
    /// When it is not ready in time.
    pub async fn restart(&self, i: usize) -> Result<()> {
        self.restart_unready(i)?;
        self.wait_ready_of(i).await
    }

    /// Starts a server again and returns at once.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn restart_unready(&self, i: usize) -> Result<()> {
        self.node(i).restart()
    }

    /// Waits until every server serves clients.
    ///
    /// # Errors
    ///
    /// When one has ended, or is not ready in time.
    pub async fn wait_ready(&self) -> Result<()> {
        try_join_all((0..self.nodes()).map(|i| self.wait_ready_of(i))).await.map(drop)
    }

    async fn wait_ready_of(&self, i: usize) -> Result<()> {
        let node = self.node(i);
        let ready = until(&format!("{} to be ready", node.name()), READY_WITHIN, || async move {
            node.expect_running()?;
            // A server without a quorum answers too, but has no mode to tell.
            Ok(self.mode(i).await.ok().map(drop))
        })
        .await;
        ready.with_context(|| format!("the end of its log:\n{}", node.log_tail()))
    }

    /// The number of the server that leads the ensemble (or stands alone).
    ///
    /// # Errors
    ///
    /// When no server says that it leads within a minute.
    pub async fn leader(&self) -> Result<usize> {
        until("a leader among the ZooKeeper servers", READY_WITHIN, || async {
            for i in 0..self.nodes() {
                if self.node(i).expect_running().is_err() {
                    continue;
                }
                if self.mode(i).await.is_ok_and(|mode| mode == "leader" || mode == "standalone") {
                    return Ok(Some(i));
                }
            }
            Ok(None)
        })
        .await
    }

    /// What a server says to a four-letter word such as `mntr` or `cons`.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn four_letter_word(&self, i: usize, word: &str) -> Result<String> {
        four_letter::ask(self.address(i), word).await
    }

    /// Where the data and logs of all servers are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn address(&self, i: usize) -> SocketAddr {
        self.members[i].ports.client.address()
    }

    async fn mode(&self, i: usize) -> Result<String> {
        let answer = self.four_letter_word(i, "srvr").await?;
        let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "));
        Ok(mode.context("the server is not serving")?.to_owned())
    }
}

impl Drop for Zk {
    fn drop(&mut self) {
        show_logs_of_failed_test(self.members.iter().map(|member| &member.node));
    }
}
