//! The command line and the files of one server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::ZkOptions;
use crate::{need, node::Launch, ports::Port, site::Site};

/// Small heap, the cheapest collector and compiler: a test server starts in 0.6 s instead of 1.5.
const JVM: [&str; 4] =
    ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.admin.enableServer=false"];

const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

/// ZooKeeper, what it logs with, and what its TLS needs beyond the class path in its own manifest.
const JARS: [&str; 5] = ["zookeeper", "log4j-1.2", "slf4j-log4j12", "netty-codec", "netty-resolver"];

/// The ports of one server.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) client: Port,
    pub(super) secure: Port,
    quorum: Port,
    election: Port,
}

impl Ports {
    pub(super) fn at(site: &Site) -> Result<Self> {
        Ok(Self {
            client: site.port(2181)?,
            secure: site.port(2281)?,
            quorum: site.port(2888)?,
            election: site.port(3888)?,
        })
    }

    /// Its line in the list of the ensemble.
    pub(super) fn line(&self, i: usize) -> String {
        format!("server.{}={}:{}", i + 1, self.quorum.address(), self.election.number())
    }
}

/// Writes the files and says how to start the server.
pub(super) fn launch(
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
        site: options.sites[i].clone(),
    })
}

fn configuration(ports: &Ports, ensemble: &[String], options: &ZkOptions, data: &Path) -> String {
    let mut lines = vec![
        format!("tickTime={}", options.tick.as_millis()),
        format!("initLimit={}", options.init_limit),
        format!("syncLimit={}", options.sync_limit),
        format!("dataDir={}", data.display()),
        format!("clientPortAddress={}", ports.client.address().ip()),
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
        lines.push(format!("secureClientPortAddress={}", ports.secure.address().ip()));
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

/// What happened, on the standard output; a failing test shows it. Without a line per four-letter word: we ask often.
const LOG4J: &str = "log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} - %m%n
log4j.logger.org.apache.zookeeper.server.NIOServerCnxn=WARN, out
log4j.additivity.org.apache.zookeeper.server.NIOServerCnxn=false
";
