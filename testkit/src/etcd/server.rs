//! The servers.

use std::{net::SocketAddr, ops::Deref, path::Path, path::PathBuf};

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::{EtcdOptions, http};
use crate::{
    node::Launch,
    poll::{READY_WITHIN, until},
    ports::Port,
    servers::Servers,
    site::Site,
    tls::Certificates,
};

/// A running etcd of one or more servers, ended when dropped.
///
/// Kill, pause and restart them as [`Servers`].
#[derive(Debug)]
pub struct Etcd {
    servers: Servers,
    ports: Vec<Ports>,
    options: EtcdOptions,
}

#[derive(Debug)]
struct Ports {
    client: Port,
    peer: Port,
    metrics: Port,
}

impl Etcd {
    /// One server with default settings.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn single() -> Result<Self> {
        Self::start(EtcdOptions::new()).await
    }

    /// Three servers with default settings.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn three() -> Result<Self> {
        Self::start(EtcdOptions::new().nodes(3)).await
    }

    /// Starts the servers and waits until each of them has served a linearizable read.
    ///
    /// # Errors
    ///
    /// When etcd is not installed, ends by itself (its log is in the message) or is not ready in time.
    pub async fn start(options: EtcdOptions) -> Result<Self> {
        let ports = options.sites.iter().map(Ports::at).collect::<Result<Vec<_>>>()?;
        let peers =
            ports.iter().enumerate().map(|(i, ports)| format!("n{i}=http://{}", ports.peer.address()));
        let peers = peers.collect::<Vec<_>>().join(",");
        let mut servers = Servers::in_folder("etcd-")?;
        for (i, ports) in ports.iter().enumerate() {
            servers.start(launch(i, ports, &peers, &options, servers.folder()))?;
        }
        let etcd = Self { servers, ports, options };
        etcd.wait_ready().await?;
        Ok(etcd)
    }

    /// The servers' client addresses, as `<ip>:<port>`.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.ports.iter().map(|ports| ports.client.address().to_string()).collect()
    }

    /// The same with a comma between them: the middle of an `etcd://…` URL.
    #[must_use]
    pub fn authority(&self) -> String {
        self.endpoints().join(",")
    }

    /// The settings it was started with.
    #[must_use]
    pub fn options(&self) -> &EtcdOptions {
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

    /// Waits until every server has served a linearizable read.
    ///
    /// # Errors
    ///
    /// When one has ended, or is not ready in time.
    pub async fn wait_ready(&self) -> Result<()> {
        try_join_all((0..self.nodes()).map(|i| self.wait_ready_of(i))).await.map(drop)
    }

    async fn wait_ready_of(&self, i: usize) -> Result<()> {
        let (node, ports) = (self.node(i), &self.ports[i]);
        let ready = until(&format!("{} to be ready", node.name()), READY_WITHIN, || async move {
            node.expect_running()?;
            // etcd answers "healthy" only after a read through its Raft log.
            let health = http::get(ports.metrics.address(), "/health").await.unwrap_or_default();
            Ok(health.contains(r#""health":"true""#).then_some(()))
        })
        .await;
        ready.with_context(|| format!("the end of its log:\n{}", node.log_tail()))
    }

    /// The number of the server that leads the cluster.
    ///
    /// # Errors
    ///
    /// When no server says that it leads within a minute.
    pub async fn leader(&self) -> Result<usize> {
        until("a leader among the etcd servers", READY_WITHIN, || async {
            for i in 0..self.nodes() {
                if self.node(i).expect_running().is_err() {
                    continue;
                }
                if self.metric(i, "etcd_server_is_leader").await.is_ok_and(|value| value == 1.0) {
                    return Ok(Some(i));
                }
            }
            Ok(None)
        })
        .await
    }

    /// One server's metrics, in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn metrics(&self, i: usize) -> Result<String> {
        http::get(self.ports[i].metrics.address(), "/metrics").await
    }

    /// The sum of one server's metrics of that name, over all labels: e.g. `grpc_server_handled_total`.
    ///
    /// # Errors
    ///
    /// When the server does not answer or has no such metric.
    pub async fn metric(&self, i: usize, name: &str) -> Result<f64> {
        let metrics = self.metrics(i).await?;
        let values = metrics.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().ok()).flatten()
        });
        values.reduce(|sum, value| sum + value).with_context(|| format!("etcd has no metric {name}"))
    }
}

impl Deref for Etcd {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        &self.servers
    }
}

impl Ports {
    fn at(site: &Site) -> Result<Self> {
        Ok(Self { client: site.port(2379)?, peer: site.port(2380)?, metrics: site.port(2381)? })
    }
}

fn launch(i: usize, ports: &Ports, peers: &str, options: &EtcdOptions, folder: &Path) -> Launch {
    let scheme = if options.certificates.is_some() { "https" } else { "http" };
    let url = |scheme: &str, address: SocketAddr| format!("{scheme}://{address}");
    let data = folder.join(format!("n{i}"));
    let settings = [
        ("name", format!("n{i}")),
        ("data-dir", data.display().to_string()),
        ("listen-client-urls", url(scheme, ports.client.address())),
        ("advertise-client-urls", url(scheme, ports.client.address())),
        ("listen-peer-urls", url("http", ports.peer.address())),
        ("initial-advertise-peer-urls", url("http", ports.peer.address())),
        ("listen-metrics-urls", url("http", ports.metrics.address())),
        ("initial-cluster", peers.to_owned()),
        ("initial-cluster-state", "new".to_owned()),
        // A stranger from an earlier run that still owns a port must not be able to join.
        ("initial-cluster-token", folder.display().to_string()),
        ("heartbeat-interval", options.heartbeat.as_millis().to_string()),
        ("election-timeout", options.election.as_millis().to_string()),
        ("logger", "zap".to_owned()),
        ("log-outputs", "stderr".to_owned()),
    ];
    let mut args: Vec<String> = settings.map(|(name, value)| format!("--{name}={value}")).into();
    if let Some(certificates) = &options.certificates {
        args.extend(tls_flags(certificates));
    }
    args.extend(options.extra.iter().cloned());
    Launch {
        name: format!("etcd-{i}"),
        program: PathBuf::from("etcd"),
        args,
        env: Vec::new(),
        log: folder.join(format!("n{i}.log")),
        site: options.sites[i].clone(),
    }
}

fn tls_flags(certificates: &Certificates) -> [String; 4] {
    [
        format!("--cert-file={}", certificates.server_certificate().display()),
        format!("--key-file={}", certificates.server_key().display()),
        format!("--trusted-ca-file={}", certificates.authority().display()),
        "--client-cert-auth=true".to_owned(),
    ]
}
