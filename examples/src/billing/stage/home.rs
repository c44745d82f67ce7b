//! Where a run keeps its files.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use election::backend::url;
use rand::Rng;

use crate::billing::cli::{Backend, RunArgs};

/// The data directory: a temporary one, or the one that was asked for.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
    keep: bool,
    /// Held while the run lasts: two runs must not share a ledger's workers.
    _lock: File,
}

impl Home {
    pub(super) fn open(asked: Option<&Path>, keep: bool) -> anyhow::Result<Self> {
        let (path, temporary) = match asked {
            Some(path) => {
                fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
                (path.canonicalize()?, None)
            }
            None => {
                let dir = tempfile::Builder::new()
                    .prefix("billing-")
                    .tempdir()
                    .context("no temporary directory")?;
                (dir.path().to_owned(), Some(dir))
            }
        };
        let lock =
            File::create(path.join("lock")).with_context(|| format!("cannot write to {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!("another run uses {}: wait for its end, or give another --data-dir", path.display());
        }
        Ok(Self { path, temporary, keep, _lock: lock })
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.path.join("ledger.db")
    }

    pub(super) fn provider(&self) -> PathBuf {
        self.path.join("provider.db")
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.log"))
    }

    fn node(&self, worker: usize) -> PathBuf {
        self.path.join(format!("node-{}", worker + 1))
    }

    fn members(&self) -> PathBuf {
        self.path.join("members.json")
    }

    /// The run has ended well: only what is to be kept stays.
    pub(super) fn done(&mut self) {
        if self.keep {
            self.stay();
            println!("kept in {}", self.path.display());
        } else if self.temporary.is_none() {
            self.remove_own_files();
        }
    }

    /// The run has not ended well: whoever looks into it needs the files.
    pub(super) fn keep_for_inspection(&mut self) {
        self.stay();
        eprintln!("the ledger, the provider's database and the logs are in {}", self.path.display());
    }

    fn stay(&mut self) {
        if let Some(dir) = self.temporary.take() {
            self.path = dir.keep();
        }
    }

    /// Removes what a run writes, and the directory if nothing else is in it: it was the user's to name.
    fn remove_own_files(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let file = ["ledger.db", "provider.db"].iter().any(|base| name.starts_with(base))
                || ["lock", "members.json", "provider.log"].contains(&name.as_str())
                || (name.starts_with("worker-") && name.ends_with(".log"));
            if file {
                fs::remove_file(entry.path()).ok();
            } else if name.starts_with("node-") {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
        fs::remove_dir(&self.path).ok();
    }

    /// The URL of each worker: all that differs between the backends.
    pub(super) fn urls(&self, args: &RunArgs) -> anyhow::Result<Vec<String>> {
        let workers = 0..usize::from(args.workers);
        let endpoints = |default: &str| match args.endpoints.as_slice() {
            [] => default.to_owned(),
            given => given.join(","),
        };
        Ok(match args.backend {
            Backend::Etcd => {
                workers.map(|_| format!("etcd://{}?ttl=2s", endpoints("127.0.0.1:2379"))).collect()
            }
            Backend::Zk => {
                workers.map(|_| format!("zk://{}?timeout=4s", endpoints("127.0.0.1:2181"))).collect()
            }
            Backend::Raft => {
                let members = self.raft_members(args)?.join(",");
                let encode = |path: PathBuf| -> anyhow::Result<String> {
                    let path = path.to_str().context("the data directory's path is not UTF-8")?;
                    Ok(url::encode(path))
                };
                workers
                    .map(|worker| {
                        let data = encode(self.node(worker))?;
                        Ok(format!("raft://{members}?node={}&data={data}", worker + 1))
                    })
                    .collect::<anyhow::Result<_>>()?
            }
        })
    }

    /// The addresses of the Raft group. It remembers them, so they stay what they were in the first run.
    fn raft_members(&self, args: &RunArgs) -> anyhow::Result<Vec<String>> {
        let file = self.members();
        if let Ok(text) = fs::read_to_string(&file) {
            let members: Vec<String> = serde_json::from_str(&text).context("members.json is damaged")?;
            if members.len() != usize::from(args.workers)
                || !(args.endpoints.is_empty() || args.endpoints == members)
            {
                bail!(
                    "{} was made by a Raft group of {} nodes at {}: give the same --workers and --endpoints, or \
                     another --data-dir",
                    self.path.display(),
                    members.len(),
                    members.join(",")
                );
            }
            return Ok(members);
        }
        let members = if args.endpoints.is_empty() {
            let ports = free_ports(usize::from(args.workers))?;
            ports.into_iter().map(|port| format!("127.0.0.1:{port}")).collect()
        } else {
            args.endpoints.clone()
        };
        fs::write(&file, serde_json::to_string(&members)?).context("cannot write members.json")?;
        Ok(members)
    }
}

/// The word for people.
pub(super) fn backend_word(backend: Backend) -> &'static str {
    match backend {
        Backend::Raft => "embedded Raft",
        Backend::Etcd => "etcd",
        Backend::Zk => "ZooKeeper",
    }
}

/// Ports below those that the kernel gives to outgoing connections: such a port stays free while a process
/// that was killed comes back to it.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let mut held: Vec<TcpListener> = Vec::new();
    for _ in 0..1000 {
        if held.len() == count {
            break;
        }
        let port = rand::rng().random_range(20_000..32_000);
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    if held.len() < count {
        bail!("cannot find {count} free ports between 20000 and 32000");
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// One free port, for the provider.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(free_ports(1)?[0])
}
