//! From a command line to a coordinator.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use election::backend::url::encode;
use election::{Backoff, Coordinator};

use super::args::{Args, Backend};
use crate::clock;

/// Nodes of a group are started one after the other, and servers may still be coming up.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);

/// The TTL of the default profile of `backend_raft`.
const DEFAULT_PROFILE_TTL: Duration = Duration::from_millis(600);

/// Connects; failures that may pass are retried.
///
/// # Errors
/// When it cannot be done, or not within a minute.
pub(super) async fn connect(args: &Args) -> Result<Arc<dyn Coordinator>> {
    if args.backend == Backend::Memory {
        return Ok(election::memory::Service::default().connect());
    }
    let url = url(args)?;
    let start = clock::now_ns();
    let mut backoff = Backoff::default();
    loop {
        match election::connect(&url).await {
            Ok(coordinator) => return Ok(coordinator),
            Err(error) if error.is_retryable() && clock::since(start) < CONNECT_WITHIN => {
                eprintln!("driver: {error}; trying again");
                tokio::time::sleep(backoff.next_delay()).await;
            }
            Err(error) => return Err(error).context("cannot connect"),
        }
    }
}

/// The URL of the backend's coordinator.
fn url(args: &Args) -> Result<String> {
    let endpoints = args.endpoints.join(",");
    let ttl = |name: &str| args.ttl_ms.map_or_else(String::new, |ms| format!("?{name}={ms}ms"));
    Ok(match args.backend {
        Backend::Etcd => format!("etcd://{endpoints}{}", ttl("ttl")),
        Backend::Zk => format!("zk://{endpoints}{}", ttl("timeout")),
        Backend::Raft => raft_url(args)?,
        Backend::Memory => unreachable!("memory has no URL"),
    })
}

/// The member at the place `--id` of the endpoints.
fn raft_url(args: &Args) -> Result<String> {
    let place: usize = args.id.parse().context("--id of a raft node is its place in --endpoints, from 0")?;
    ensure!(
        place < args.endpoints.len(),
        "--id is {place}, but there are {} endpoints",
        args.endpoints.len()
    );
    let folder = args.data_dir.as_ref().context("a raft node needs --data-dir, a folder of its own")?;
    let (endpoints, node, folder) = (args.endpoints.join(","), place + 1, encoded(folder)?);
    let mut url = match args.tls_dir.as_deref().map(encoded).transpose()? {
        Some(tls) => format!(
            "rafts://{endpoints}?node={node}&data={folder}\
             &ca={tls}/ca.pem&cert={tls}/node-{node}.pem&key={tls}/node-{node}.key"
        ),
        // Whoever measures that chooses a network where it does no harm.
        None => format!("raft://{endpoints}?node={node}&data={folder}&plaintext=yes"),
    };
    if let Some(ttl) = args.ttl() {
        // Sessions that are shorter than the default profile's would not outlive an election of its Raft.
        let profile = if ttl < DEFAULT_PROFILE_TTL { "lan" } else { "default" };
        url += &format!("&profile={profile}&ttl={}ms", ttl.as_millis());
    }
    Ok(url)
}

/// A path as a part of a URL.
fn encoded(path: &Path) -> Result<String> {
    let path = path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    Ok(encode(path))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_url_says_what_the_command_line_said() {
        for (line, expected) in [
            ("etcd cycle --endpoints a:1,b:2", "etcd://a:1,b:2"),
            ("etcd cycle --endpoints a:1 --ttl-ms 2000", "etcd://a:1?ttl=2000ms"),
            ("zk cycle --endpoints a:1,b:2 --ttl-ms 200", "zk://a:1,b:2?timeout=200ms"),
            (
                "raft candidate --endpoints a:1,b:2 --id 1 --data-dir /x%y",
                "raft://a:1,b:2?node=2&data=/x%25y&plaintext=yes",
            ),
            (
                "raft candidate --endpoints a:1 --id 0 --data-dir x --ttl-ms 100",
                "raft://a:1?node=1&data=x&plaintext=yes&profile=lan&ttl=100ms",
            ),
            (
                "raft candidate --endpoints a:1,b:2 --id 1 --data-dir x --tls-dir t/l",
                "rafts://a:1,b:2?node=2&data=x\
                 &ca=t/l/ca.pem&cert=t/l/node-2.pem&key=t/l/node-2.key",
            ),
        ] {
            let line = format!("driver {line} --election e");
            let args = Args::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(url(&args).unwrap(), expected);
        }
    }
}
