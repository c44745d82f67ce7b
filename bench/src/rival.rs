//! hashicorp/raft with BoltDB, for comparison: `bench/peers/hashicorp`, built with the Go and the packages of the
//! distribution, if they are there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::{WorkDir, ports::Port};

use crate::rig::Setting;
use crate::worker::Worker;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/hashicorp");

/// Where Debian and Ubuntu keep the sources of Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// The library, and the packages that it takes.
const LIBRARY: &str = "src/github.com/hashicorp/raft-boltdb";
const CURE: &str = "apt-get install golang-go golang-github-hashicorp-raft-boltdb-dev";

/// A group of that library: a process a member, the first of which leads.
#[derive(Debug)]
pub struct Rival {
    // The processes before their folder: fields are dropped in this order.
    members: Vec<Worker>,
    _ports: Vec<Port>,
    _folder: WorkDir,
}

impl Rival {
    /// Whether it can be built here; where it cannot, a line on the terminal says what it takes.
    #[must_use]
    pub fn is_here() -> bool {
        let library = Path::new(PACKAGES).join(LIBRARY).is_dir();
        let here = library && Command::new("go").arg("version").output().is_ok();
        if !here {
            eprintln!("hashicorp/raft is not measured beside ours; it takes: {CURE}");
        }
        here
    }

    /// Its subject in the figures.
    #[must_use]
    pub fn subject(setting: Setting) -> String {
        format!("hashicorp-raft-{}", setting.servers)
    }

    /// Builds it, starts as many members, and waits until the first leads. Without a disk they keep their logs in the
    /// library's own store in memory.
    ///
    /// # Errors
    /// When it cannot be built, or does not start; the message has what the compiler or the member said.
    pub async fn start(setting: Setting) -> Result<Self> {
        let members = setting.servers;
        let folder = WorkDir::new("rival-")?;
        let program = build(folder.path())?;
        let ports: Vec<Port> = (0..members).map(|_| Port::lease()).collect::<Result<_>>()?;
        let addresses = ports.iter().map(|port| port.address().to_string());
        let addresses: Vec<String> = addresses.collect();
        let start = |i: usize| {
            let data = folder.path().join(i.to_string()).display().to_string();
            let data = if setting.diskless { "memory".to_owned() } else { data };
            Worker::start(&program, &[vec![i.to_string(), data], addresses.clone()].concat())
        };
        let mut members: Vec<Worker> = (0..members).map(start).collect::<Result<_>>()?;
        members[0].event("ready").await?;
        Ok(Self { members, _ports: ports, _folder: folder })
    }

    /// How long it takes until each candidate has acquired and released an election of its own `iters` times.
    ///
    /// # Errors
    /// When the leader fails.
    pub async fn rounds(&mut self, candidates: usize, iters: u64) -> Result<Duration> {
        self.members[0].tell(&format!("rounds {candidates} {iters}"))?;
        let result = self.members[0].event("result").await?;
        result["elapsed_ns"].as_u64().map(Duration::from_nanos).context("a result without its time")
    }
}

fn build(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("peer");
    let mut go = Command::new("go");
    // The distribution's packages are found by the older way of looking; nothing is fetched.
    go.envs([("GO111MODULE", "off"), ("GOPATH", PACKAGES)]).env("GOCACHE", folder.join("cache"));
    let output = go.args(["build", "-o"]).arg(&program).arg(".").current_dir(SOURCE).output()?;
    ensure!(output.status.success(), "{SOURCE}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Backend;

    #[tokio::test]
    async fn three_members_acquire_and_release() {
        if Rival::is_here() {
            let setting = Setting { servers: 3, ..Setting::single(Backend::Raft) };
            for setting in [Some(setting), setting.diskless()].into_iter().flatten() {
                let mut rival = Rival::start(setting).await.unwrap();
                assert!(rival.rounds(2, 3).await.unwrap() > Duration::ZERO);
            }
        }
    }
}
