//! One member of a Raft group, in a process of its own.

use std::io::Write;

use backend_raft::{Backup, RaftAdmin, RaftConfig, RaftMember};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Runs one member of a Raft group.

    raft-node 'rafts://h1:7001,h2:7001,h3:7001?node=1&data=/var/lib/raft&ca=ca.pem&cert=node-1.pem&key=node-1.key'

Start one on each host, with the same list and its own node, data and certificate: together they form the
group, once. The certificate names the member: node-1.election, where `election` is the cluster's name.

    raft-node backup 'rafts://h1:7001,…' FILE
    raft-node restore FILE DIRECTORY 'rafts://h1:7001,…' [EPOCH]

The first takes a backup of the group that works; the second founds a new one on it: see the README.

With `--metrics HOST:PORT` in front of the URL a member serves its metrics there, for Prometheus to scrape.

A member prints a line `ready node=1 leader=2` when a Raft leader is known, and stops on SIGTERM or SIGINT after
handing over the Raft leadership.

Parameters of the URL: node, data, listen, cluster, profile (lan, default, wan), snapshot_every, keep_entries,
ca, cert, key; and plaintext=yes for raft://, without TLS, beyond loopback addresses.
RUST_LOG sets what is logged to standard error (warn by default).
";

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag] if flag == "--help" || flag == "-h" => {
            print!("{HELP}");
            std::process::ExitCode::SUCCESS
        }
        [url] => done(run(url).await),
        [flag, address, url] if flag == "--metrics" => {
            if let Err(error) = serve_metrics(address) {
                return done(Err(error));
            }
            done(run(url).await)
        }
        [verb, url, file] if verb == "backup" => done(backup(url, file).await),
        [verb, file, directory, url] if verb == "restore" => done(restore(file, directory, url, None)),
        [verb, file, directory, url, epoch] if verb == "restore" => {
            done(restore(file, directory, url, Some(epoch)))
        }
        _ => {
            eprint!("{HELP}");
            std::process::ExitCode::from(2)
        }
    }
}

fn done(result: Result<(), Box<dyn std::error::Error>>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raft-node: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Lets Prometheus scrape this process, before there is anything to measure.
#[cfg(feature = "prometheus")]
fn serve_metrics(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let wrong = |error: &dyn std::fmt::Display| format!("--metrics is {address:?}: {error}; give host:port");
    let address: std::net::SocketAddr = address.parse().map_err(|error| wrong(&error))?;
    let exporter = metrics_exporter_prometheus::PrometheusBuilder::new().with_http_listener(address);
    exporter.install().map_err(|error| wrong(&error).into())
}

#[cfg(not(feature = "prometheus"))]
fn serve_metrics(_address: &str) -> Result<(), Box<dyn std::error::Error>> {
    Err("--metrics: this raft-node was built without the feature prometheus".into())
}

async fn backup(url: &str, file: &str) -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", RaftAdmin::new(&RaftConfig::from_url(url)?)?.backup(file).await?);
    Ok(())
}

fn restore(
    file: &str,
    into: &str,
    url: &str,
    epoch: Option<&String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let epoch = epoch.map(|epoch| epoch.parse()).transpose()?;
    for data in Backup::read(file)?.restore(&RaftConfig::from_url(url)?, into, epoch)? {
        println!("{}", data.display());
    }
    Ok(())
}

async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = RaftConfig::from_url(url)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let member = RaftMember::start(&config).await?;
    let node = config.node.map_or(0, |node| node.id);
    let mut announced = false;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            error = member.failed() => return Err(error.into()),
            leader = member.ready(), if !announced => {
                announced = true;
                println!("ready node={node} leader={leader}");
                std::io::stdout().flush()?;
            }
        }
    }
    member.shutdown().await;
    Ok(())
}
