//! The servers.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::{ZkOptions, four_letter};
use crate::{
    need,
    node::{Launch, Node},
    poll::{READY_WITHIN, until},
    ports::Port,
    tls::Certificates,
    work_dir::WorkDir,
};

/// Small heap, the cheapest collector and compiler: a test server starts in 0.6 s instead of 1.5.
const JVM: [&str; 4] =
    ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.admin.enableServer=false"];

const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

/// ZooKeeper, what it logs with, and what its TLS needs beyond the class path in its own manifest.
const JARS: [&str; 5] = ["zookeeper", "log4j-1.2", "slf4j-log4j12", "netty-codec", "netty-resolver"];

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

#[derive(Debug)]
struct Ports {
    client: Port,
    secure: Port,
    quorum: Port,
    election: Port,
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
        let ports = (0..options.nodes).map(|_| Ports::lease()).collect::<Result<Vec<_>>>()?;
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

    /// The servers' client addresses, as `127.0.0.1:<port>`.
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

impl Ports {
    fn lease() -> Result<Self> {
        Ok(Self {
            client: Port::lease()?,
            secure: Port::lease()?,
            quorum: Port::lease()?,
            election: Port::lease()?,
        })
    }

    fn line(&self, i: usize) -> String {
        format!("server.{}=127.0.0.1:{}:{}", i + 1, self.quorum.number(), self.election.number())
    }
}

fn launch(
    i: usize,
    ports: &Ports,
    ensemble: &[String],
    options: &ZkOptions,
    folder: &Path,
) -> Result<Launch> {
    let home = folder.join(format!("n{i}"));
    let data = home.join("data");
    fs::create_dir_all(&data)?;
    fs::write(data.join("myid"), (i + 1).to_string())?;
    let config = home.join("zoo.cfg");
    fs::write(&config, configuration(ports, ensemble, options, &data))?;
    fs::write(home.join("log4j.properties"), LOG4J)?;

    let jars = JARS.into_iter().filter_map(need::jar);
    let class_path: Vec<String> = jars.chain([home.clone()]).map(|jar| jar.display().to_string()).collect();
    let mut args: Vec<String> = JVM.map(str::to_owned).into();
    if let Some((user, password)) = &options.sasl {
        let jaas = home.join("jaas.conf");
        fs::write(&jaas, jaas_configuration(user, password))?;
        args.push(format!("-Djava.security.auth.login.config={}", jaas.display()));
    }
    if options.certificates.is_some() {
        // Only Netty does TLS; the other factory is lighter.
        args.push(
            "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory".to_owned(),
        );
    }
    args.extend(["-cp".to_owned(), class_path.join(":"), MAIN.to_owned(), config.display().to_string()]);
    Ok(Launch {
        name: format!("zookeeper-{i}"),
        program: PathBuf::from("java"),
        args,
        env: Vec::new(),
        log: folder.join(format!("n{i}.log")),
    })
}

fn configuration(ports: &Ports, ensemble: &[String], options: &ZkOptions, data: &Path) -> String {
    let mut lines = vec![
        format!("tickTime={}", options.tick.as_millis()),
        format!("initLimit={}", options.init_limit),
        format!("syncLimit={}", options.sync_limit),
        format!("dataDir={}", data.display()),
        "clientPortAddress=127.0.0.1".to_owned(),
        format!("clientPort={}", ports.client.number()),
        "4lw.commands.whitelist=*".to_owned(),
        // Every client of a test comes from one address.
        "maxClientCnxns=0".to_owned(),
        "admin.enableServer=false".to_owned(),
    ];
    if ensemble.len() > 1 {
        lines.extend(ensemble.iter().cloned());
    }
    if options.sasl.is_some() {
        lines.push("authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider".to_owned());
        lines.push("enforce.auth.enabled=true".to_owned());
        lines.push("enforce.auth.schemes=sasl".to_owned());
    }
    if options.enforce_digest {
        lines.push("enforce.auth.enabled=true".to_owned());
        lines.push("enforce.auth.schemes=digest".to_owned());
    }
    if let Some(certificates) = &options.certificates {
        lines.push("secureClientPortAddress=127.0.0.1".to_owned());
        lines.push(format!("secureClientPort={}", ports.secure.number()));
        lines.push(format!("ssl.keyStore.location={}", certificates.server_store().display()));
        lines.push(format!("ssl.trustStore.location={}", certificates.authority().display()));
        lines.push("ssl.clientAuth=need".to_owned());
    }
    lines.extend(options.extra.iter().cloned());
    lines.join("\n") + "\n"
}

fn jaas_configuration(user: &str, password: &str) -> String {
    let module = "org.apache.zookeeper.server.auth.DigestLoginModule";
    format!("Server {{\n  {module} required\n  user_{user}=\"{password}\";\n}};\n")
}

/// What happened, on the standard output; a failing test shows it.
const LOG4J: &str = "log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} - %m%n
";
