//! The servers.

use std::{net::SocketAddr, ops::Deref};

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::{
    ZkOptions, four_letter,
    launch::{Ports, launch},
};
use crate::{
    poll::{READY_WITHIN, until},
    servers::Servers,
    tls::Certificates,
};

/// A running ZooKeeper of one or more servers, ended when dropped.
///
/// Kill, pause and restart them as [`Servers`] (ZooKeeper's own ids, in its logs, are from 1).
#[derive(Debug)]
pub struct Zk {
    servers: Servers,
    ports: Vec<Ports>,
    options: ZkOptions,
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
        let ports = options.sites.iter().map(Ports::at).collect::<Result<Vec<_>>>()?;
        let ensemble: Vec<String> = ports.iter().enumerate().map(|(i, ports)| ports.line(i)).collect();
        let mut servers = Servers::in_folder("zk-")?;
        for (i, ports) in ports.iter().enumerate() {
            servers.start(launch(i, ports, &ensemble, &options, servers.folder())?)?;
        }
        let zk = Self { servers, ports, options };
        zk.wait_ready().await?;
        Ok(zk)
    }

    /// The servers' client addresses, as `<ip>:<port>`.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        (0..self.nodes()).map(|i| self.address(i).to_string()).collect()
    }

    /// The addresses of the TLS ports, open only when started with [`ZkOptions::tls`].
    #[must_use]
    pub fn secure_endpoints(&self) -> Vec<String> {
        self.ports.iter().map(|ports| ports.secure.address().to_string()).collect()
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

    /// Starts a server again with its data and ports (after a kill if it still runs) and waits until it is ready;
    /// with a majority still down, use [`restart_unready`](Servers::restart_unready).
    ///
    /// # Errors
    ///
    /// When it is not ready in time.
    pub async fn restart(&self, i: usize) -> Result<()> {
        self.restart_unready(i)?;
        self.wait_ready_of(i).await
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

    pub(super) fn address(&self, i: usize) -> SocketAddr {
        self.ports[i].client.address()
    }

    async fn mode(&self, i: usize) -> Result<String> {
        let answer = self.four_letter_word(i, "srvr").await?;
        let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "));
        Ok(mode.context("the server is not serving")?.to_owned())
    }
}

impl Deref for Zk {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        &self.servers
    }
}
