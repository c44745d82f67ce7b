//! A group of real node processes that ends with its test.

#![allow(dead_code, reason = "each test file uses its part of this")]

pub(crate) mod certificates;
pub(crate) mod changing;
pub(crate) mod raw;
pub(crate) mod steady;
pub(crate) mod worker;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use backend_raft::{Profile, RaftConfig, RaftCoordinator};
use election_core::clock::Instant;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::ports::Port;

use certificates::{Authority, Files};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a future, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// What the kernel says of a process, by the name that the line begins with.
pub(crate) fn proc_field(pid: u32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The same with these certificates.
pub(crate) fn secured(config: RaftConfig, files: &Files) -> RaftConfig {
    config.with_tls(&files.ca, &files.cert, &files.key)
}

/// Written to a log when a process that logs there is started: one that was killed did not say what it left.
const STARTED: &str = "--- started ---";

/// Opens the log of a process that is about to be started.
pub(crate) fn open_log(path: &Path) -> File {
    let mut log = File::options().create(true).append(true).open(path).unwrap();
    writeln!(log, "{STARTED}").unwrap();
    log
}

/// Whether the process that logs there holds, by its own account, the office of Raft leader.
pub(crate) fn holds_office(log: &Path) -> bool {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let life = log.rsplit(STARTED).next().unwrap_or_default();
    let count = |text: &str| life.matches(text).count();
    count("this node is the Raft leader") > count("serves as Raft leader no longer")
}

/// One node process.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    fn start(url: &str, log: PathBuf) -> Self {
        Self::run(Path::new(env!("CARGO_BIN_EXE_raft-node")), &[url], log)
    }

    /// Starts a node of any version, with any arguments.
    pub(crate) fn run(program: &Path, arguments: &[&str], log: PathBuf) -> Self {
        let output = open_log(&log);
        let mut child = Command::new(program)
            .args(arguments)
            .env("RUST_LOG", "backend_raft=debug,openraft=warn")
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        Self { child, lines, log }
    }

    /// Ends it without warning.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the line `ready` and tells which node was the Raft leader then.
    pub(crate) fn ready(&self) -> u64 {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("a node is not ready:\n{}", self.log()));
        line.rsplit_once("leader=").unwrap().1.parse().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let waited = Instant::now().saturating_duration_since(started);
            assert!(waited < PATIENCE, "a node does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has logged `text`.
    pub(crate) async fn logs(&self, text: &str) {
        let looked = tokio::time::timeout(PATIENCE, async {
            while !self.log().contains(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(looked.await.is_ok(), "no {text:?} in\n{}", self.log());
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- {}, ended: {ended:?}\n{}", self.log.display(), self.log());
        }
    }
}

/// Three nodes in processes of their own.
pub(crate) struct Cluster {
    // Before the directory: a node that fails shows its log, which lies in there.
    nodes: Vec<Option<Process>>,
    pub(crate) dir: TempDir,
    pub(crate) members: Vec<String>,
    /// Nobody else's, as long as it lives: also those of nodes that have ended, and may come back.
    ports: Vec<Port>,
    parameters: String,
    /// The command lines of those that joined later.
    joined: BTreeMap<u64, String>,
    /// Their addresses, as in a list.
    newcomers: Vec<String>,
    /// Whether nodes that join list those that joined before them.
    pub(crate) lists_newcomers: bool,
    /// Who signed the members' certificates, if they have any.
    authority: Option<Authority>,
}

impl Cluster {
    /// Starts three nodes, each by one command, and waits until the group is formed.
    pub(crate) fn start(parameters: &str) -> Self {
        let mut cluster = Self::prepare(parameters);
        cluster.form();
        cluster
    }

    /// The same over TLS.
    pub(crate) fn start_secure(parameters: &str) -> Self {
        let mut cluster = Self::prepare_secure(parameters);
        (1..=3).for_each(|id| drop(cluster.authority().node(id, "election")));
        cluster.form();
        cluster
    }

    /// Starts all nodes and waits until the group is formed.
    pub(crate) fn form(&mut self) {
        (1..=3).for_each(|id| self.start_node(id));
        for node in self.nodes.iter().flatten() {
            node.ready();
        }
    }

    /// The same as [`prepare`](Self::prepare) with an authority; each node needs its certificate before it
    /// starts.
    pub(crate) fn prepare_secure(parameters: &str) -> Self {
        let mut cluster = Self::prepare(parameters);
        cluster.authority = Some(Authority::new(cluster.dir.path(), "ca"));
        cluster
    }

    /// Who signed the certificates.
    pub(crate) fn authority(&self) -> &Authority {
        self.authority.as_ref().unwrap()
    }

    /// Three addresses and no node yet.
    pub(crate) fn prepare(parameters: &str) -> Self {
        let mut cluster = Self {
            dir: tempfile::tempdir().unwrap(),
            members: Vec::new(),
            ports: Vec::new(),
            parameters: parameters.into(),
            nodes: (0..3).map(|_| None).collect(),
            joined: BTreeMap::new(),
            newcomers: Vec::new(),
            lists_newcomers: false,
            authority: None,
        };
        cluster.members = cluster.free_addresses(3);
        cluster
    }

    /// An address where nobody listens, and nobody but this cluster will.
    pub(crate) fn free_address(&mut self) -> String {
        let port = Port::lease().unwrap();
        let address = port.address().to_string();
        self.ports.push(port);
        address
    }

    /// Several of them.
    pub(crate) fn free_addresses(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.free_address()).collect()
    }

    /// A node's data directory.
    pub(crate) fn data(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("node-{id}"))
    }

    /// The command line of a node.
    pub(crate) fn url(&self, id: u64, data: &Path) -> String {
        let (members, data) = (self.members.join(","), data.display());
        let rest = format!("{members}?node={id}&data={data}&{}", self.parameters);
        let dir = self.dir.path();
        match &self.authority {
            None => format!("raft://{rest}"),
            Some(authority) => {
                let file = |end: &str| dir.join(format!("node-{id}.election.{end}"));
                let files = Files { ca: authority.ca.clone(), cert: file("pem"), key: file("key") };
                format!("rafts://{rest}&{}", files.query())
            }
        }
    }

    /// Starts a node.
    pub(crate) fn start_node(&mut self, id: u64) {
        let log = self.dir.path().join(format!("node-{id}.log"));
        let url = self.joined.get(&id).cloned().unwrap_or_else(|| self.url(id, &self.data(id)));
        let process = Process::start(&url, log);
        self.nodes[id as usize - 1] = Some(process);
    }

    /// Starts a node that is to join, at a new address, which it answers. It is given the list of those who formed the
    /// group, and itself.
    pub(crate) fn join(&mut self, id: u64, how: &str) -> String {
        let address = self.free_address();
        if let Some(authority) = &self.authority {
            authority.node(id, "election");
        }
        let list = |from: &[String]| from.join(",");
        let url = self.url(id, &self.data(id));
        let newcomers = self.newcomers.iter().filter(|_| self.lists_newcomers).cloned();
        let all: Vec<String> = self.members.iter().cloned().chain(newcomers).collect();
        let with_own = format!("{},{id}@{address}", list(&all));
        self.newcomers.push(format!("{id}@{address}"));
        let url = url.replacen(&list(&self.members), &with_own, 1) + "&" + how;
        self.joined.insert(id, url);
        self.nodes.resize_with(self.nodes.len().max(id as usize), || None);
        self.start_node(id);
        address
    }

    /// Starts nothing under this id any more: waits for the end of its process, and answers whether it was a success
    /// and what it has logged.
    pub(crate) fn ended(&mut self, id: u64) -> (bool, String) {
        let mut process = self.nodes[id as usize - 1].take().unwrap();
        let status = process.wait();
        (status.success(), process.log())
    }

    /// How often any node has logged `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        let logs = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.map(|path| {
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).matches(text).count()
        })
        .sum()
    }

    /// Waits until nodes have logged `text` more often than `seen` times.
    pub(crate) async fn logs_more(&self, text: &str, seen: usize) {
        let looked = tokio::time::timeout(PATIENCE, async {
            while self.count(text) <= seen {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(looked.await.is_ok(), "nobody logs {text:?} once more");
    }

    /// Waits until a node has logged `text`.
    pub(crate) async fn logs_somewhere(&self, text: &str) {
        self.logs_more(text, 0).await;
    }

    /// The ids of all that run.
    pub(crate) fn running(&self) -> Vec<u64> {
        (1..).zip(&self.nodes).filter_map(|(id, node)| node.as_ref().map(|_| id)).collect()
    }

    /// Starts any command line, logging under `name`.
    pub(crate) fn start_url(&self, url: &str, name: &str) -> Process {
        Process::start(url, self.dir.path().join(name))
    }

    /// A node's process.
    pub(crate) fn node(&mut self, id: u64) -> &mut Process {
        self.nodes[id as usize - 1].as_mut().unwrap()
    }

    /// Kills a node without warning.
    pub(crate) fn kill(&mut self, id: u64) {
        let mut process = self.nodes[id as usize - 1].take().unwrap();
        process.signal(Signal::KILL);
        process.wait();
    }

    /// Asks a node to stop and waits until it has.
    pub(crate) fn terminate(&mut self, id: u64) -> ExitStatus {
        let mut process = self.nodes[id as usize - 1].take().unwrap();
        process.signal(Signal::TERM);
        process.wait()
    }

    /// Stops a node's process in its tracks, as a debugger or a hypervisor would.
    pub(crate) fn pause(&mut self, id: u64) {
        self.node(id).signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&mut self, id: u64) {
        self.node(id).signal(Signal::CONT);
    }

    /// A client's configuration.
    pub(crate) fn client_config(&self) -> RaftConfig {
        let config = RaftConfig::new(self.members.clone()).with_profile(Profile::Wan);
        match &self.authority {
            None => config,
            Some(authority) => secured(config, &authority.client("test", "election")),
        }
    }

    /// A client whose session lives for `ttl`.
    pub(crate) async fn client(&self, ttl: Duration) -> RaftCoordinator {
        soon("a client", RaftCoordinator::connect(self.client_config().with_ttl(ttl))).await.unwrap()
    }

    /// The Raft leader, asked of the nodes' own logs: the last of them that took office.
    pub(crate) fn raft_leader(&self) -> u64 {
        let started = Instant::now();
        loop {
            let office = |id: u64| {
                let log = self.dir.path().join(format!("node-{id}.log"));
                (self.nodes[id as usize - 1].is_some() && holds_office(&log)).then_some(id)
            };
            if let Some(leader) = (1..=self.nodes.len() as u64).find_map(office) {
                return leader;
            }
            let waited = Instant::now().saturating_duration_since(started);
            assert!(waited < PATIENCE, "nobody is the Raft leader");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
