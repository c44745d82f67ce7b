//! Processes that lead elections, of which one can be killed: this very test binary, started anew.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use backend_raft::{RaftConfig, RaftCoordinator};
use election_core::clock::Instant;
use election_core::{Candidate, Coordinator};

use super::PATIENCE;

/// What a worker is to do: `URL ELECTION,ELECTION,…`, or `burn`.
const JOB: &str = "ELECTION_WORKER";

/// What a worker tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// `won` or `lost`.
    pub(crate) what: String,
    pub(crate) election: String,
    /// When, on the boot clock, which all processes share.
    pub(crate) at: Instant,
    /// The token, or why it was lost.
    pub(crate) detail: String,
}

impl News {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ').skip_while(|word| *word != "won" && *word != "lost");
        Some(Self {
            what: words.next()?.into(),
            election: words.next()?.into(),
            at: Instant::from_nanos(words.next()?.parse().ok()?),
            detail: words.next()?.into(),
        })
    }
}

/// A worker's process.
pub(crate) struct Worker {
    child: Child,
    news: Receiver<News>,
    log: PathBuf,
}

impl Worker {
    /// Starts a process that campaigns for these elections again and again.
    pub(crate) fn start(url: &str, elections: &[&str], log: &Path) -> Self {
        Self::run(&format!("{url} {}", elections.join(",")), log)
    }

    /// Starts a process that keeps a core busy.
    pub(crate) fn burn(log: &Path) -> Self {
        Self::run("burn", log)
    }

    fn run(job: &str, log: &Path) -> Self {
        let output = super::open_log(log);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_worker", "--nocapture"])
            .env(JOB, job)
            .env("RUST_LOG", "backend_raft=info")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, news) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(news) = News::read(&line) {
                    sender.send(news).ok();
                }
            }
        });
        Self { child, news, log: log.into() }
    }

    /// The next that it tells, if it does within `patience`.
    pub(crate) fn news(&self, patience: Duration) -> Option<News> {
        match self.news.recv_timeout(patience) {
            Ok(news) => Some(news),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("a worker has ended:\n{}", self.log()),
        }
    }

    /// Waits until it has won an election.
    pub(crate) fn wins(&self) -> News {
        loop {
            let news = self.news(PATIENCE).unwrap_or_else(|| panic!("nothing won:\n{}", self.log()));
            if news.what == "won" {
                return news;
            }
        }
    }

    /// Lets it resign what it leads.
    pub(crate) fn resign(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"resign\n").unwrap();
    }

    /// Kills it without warning, and says when.
    pub(crate) fn kill(mut self) -> Instant {
        let at = Instant::now();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        at
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// In a worker's process: does its job until it is killed or its parent ends. Elsewhere: nothing.
pub(crate) fn work() {
    let Ok(job) = std::env::var(JOB) else { return };
    let (resign, resigned) = tokio::sync::watch::channel(0);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            resign.send_modify(|count| *count += 1);
        }
        std::process::exit(0);
    });
    let Some((url, elections)) = job.split_once(' ') else { burn() };
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let coordinator = RaftCoordinator::connect(RaftConfig::from_url(url).unwrap()).await.unwrap();
        let led = elections.split(',').map(|election| lead(&coordinator, election, resigned.clone()));
        futures::future::join_all(led).await;
    });
}

fn burn() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

async fn lead(
    coordinator: &RaftCoordinator,
    election: &str,
    mut resigned: tokio::sync::watch::Receiver<u32>,
) {
    let elector = coordinator.elector(election).unwrap();
    let tell = |what: &str, detail: String| {
        println!("\n{what} {election} {} {detail}", Instant::now().as_nanos());
    };
    loop {
        let candidate = Candidate::new(std::process::id().to_string()).unwrap();
        let Ok(leadership) = elector.campaign(candidate).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        tell("won", leadership.token().to_string());
        resigned.mark_unchanged();
        tokio::select! {
            why = leadership.lost() => tell("lost", format!("{why:?}")),
            _ = resigned.changed() => drop(leadership.resign().await),
        }
    }
}
