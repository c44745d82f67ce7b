//! The processes: starting, ordering, replacing them.

use std::time::Duration;

use anyhow::{Context, bail};
use election_core::clock::Instant;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::child::{Child, Event, Who};
use super::home::{Home, free_port};
use super::state::State;
use crate::billing::cli::RunArgs;
use crate::billing::plant::{CrashPoint, Plant};
use crate::billing::provider::Control;
use crate::billing::provider::script::Script;
use crate::billing::wire::Order;

/// How long a provider takes, at the most, from its start until it listens.
const PROVIDER_START: Duration = Duration::from_secs(3);

/// A process that dies more often than this on its own will not do better the next time.
const MOST_REPLACEMENTS: u32 = 20;

/// The provider and the workers.
pub(super) struct Cast {
    workers: Vec<Option<Child>>,
    provider: Option<Child>,
    /// The lives that a process has had, by worker; the provider's come last.
    lives: Vec<u32>,
    urls: Vec<String>,
    port: u16,
    paths: Paths,
    election: String,
    plant: Option<Plant>,
    crash_at: Option<CrashPoint>,
    http: reqwest::Client,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    ending: bool,
}

struct Paths {
    ledger: String,
    provider: String,
    logs: Vec<std::path::PathBuf>,
}

impl Cast {
    pub(super) fn new(args: &RunArgs, home: &Home) -> anyhow::Result<Self> {
        let size = usize::from(args.workers);
        let text = |path: std::path::PathBuf| path.into_os_string().into_string();
        let mut logs: Vec<_> = (0..size).map(|worker| home.log(&name(worker))).collect();
        logs.push(home.log("provider"));
        let not_utf8 = |_| anyhow::anyhow!("the data directory's path is not UTF-8");
        let paths = Paths {
            ledger: text(home.ledger()).map_err(not_utf8)?,
            provider: text(home.provider()).map_err(not_utf8)?,
            logs,
        };
        let (sender, events) = mpsc::unbounded_channel();
        Ok(Self {
            workers: (0..size).map(|_| None).collect(),
            provider: None,
            lives: vec![0; size + 1],
            urls: home.urls(args)?,
            port: free_port()?,
            paths,
            election: args.election.clone(),
            plant: args.plant,
            crash_at: args.crash_at,
            http: reqwest::Client::builder().no_proxy().build()?,
            sender,
            events,
            ending: false,
        })
    }

    pub(super) fn size(&self) -> usize {
        self.workers.len()
    }

    /// The next report of any process.
    pub(super) async fn next_event(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            // `self` holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Whether the process that said it is still the one in its place.
    pub(super) fn is_current(&self, event: &Event) -> bool {
        self.child(event.who).is_some_and(|child| child.life == event.life)
    }

    fn child(&self, who: Who) -> Option<&Child> {
        match who {
            Who::Worker(worker) => self.workers[worker].as_ref(),
            Who::Provider => self.provider.as_ref(),
        }
    }

    fn start(&mut self, who: Who, arguments: &[&str]) -> anyhow::Result<Child> {
        let place = match who {
            Who::Worker(worker) => worker,
            Who::Provider => self.size(),
        };
        self.lives[place] += 1;
        let life = self.lives[place];
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Child::start(who, life, &arguments, &self.paths.logs[place], self.sender.clone())
    }

    pub(super) fn start_provider(&mut self, script: Script) -> anyhow::Result<()> {
        let (port, script) = (self.port.to_string(), serde_json::to_string(&script)?);
        let database = self.paths.provider.clone();
        let arguments = ["provider", "--database", &database, "--port", &port, "--script", &script];
        self.provider = Some(self.start(Who::Provider, &arguments)?);
        Ok(())
    }

    /// Starts a worker, and says which of its lives this is.
    pub(super) fn start_worker(&mut self, worker: usize) -> anyhow::Result<u32> {
        let (url, election, ledger) =
            (self.urls[worker].clone(), self.election.clone(), self.paths.ledger.clone());
        let (name, provider) = (name(worker), format!("http://127.0.0.1:{}", self.port));
        let mut arguments = vec!["worker", "--url", &url, "--election", &election, "--name", &name];
        arguments.extend(["--ledger", &ledger, "--provider", &provider]);
        let plant = self.plant.map(Plant::word);
        if let Some(plant) = &plant {
            arguments.extend(["--plant", plant]);
        }
        // Once per worker: its next life is to finish the work.
        let crash_at = self.crash_at.filter(|_| self.lives[worker] == 0).map(CrashPoint::word);
        if let Some(crash_at) = &crash_at {
            arguments.extend(["--crash-at", crash_at]);
        }
        let child = self.start(Who::Worker(worker), &arguments)?;
        let life = child.life;
        self.workers[worker] = Some(child);
        Ok(life)
    }

    /// Kills a worker and does not replace it.
    pub(super) async fn kill(&mut self, worker: usize) {
        if let Some(mut child) = self.workers[worker].take() {
            child.kill().await;
        }
    }

    /// Stops a worker; it is stopped when this returns.
    pub(super) async fn pause(&self, worker: usize) -> anyhow::Result<()> {
        self.workers[worker].as_ref().context("the worker is gone")?.pause().await
    }

    /// Lets a stopped worker go on.
    pub(super) fn resume(&self, worker: usize) -> anyhow::Result<()> {
        self.workers[worker].as_ref().context("the worker is gone")?.resume()
    }

    pub(super) async fn order(&mut self, worker: usize, order: Order) {
        if let Some(child) = &mut self.workers[worker] {
            child.order(order).await;
        }
    }

    /// The last order: from now on nobody is replaced.
    pub(super) async fn order_all(&mut self, order: Order) {
        self.ending = true;
        for worker in 0..self.size() {
            self.order(worker, order).await;
        }
    }

    /// Lets go of the held answer, and says what comes next.
    ///
    /// A provider that has just died holds nothing any more. Its replacement is either on its way up (it is asked
    /// again), or will be started by whoever reads the news of the death, with the stage's present script.
    pub(super) async fn release(&self, script: Script) -> anyhow::Result<()> {
        let control = Control { script, release: true };
        let url = format!("http://127.0.0.1:{}/control", self.port);
        let asked = Instant::now();
        loop {
            match self.http.post(&url).json(&control).send().await {
                Ok(response) => {
                    response.error_for_status().context("the provider refuses its script")?;
                    return Ok(());
                }
                Err(error) if Instant::now().saturating_duration_since(asked) > PROVIDER_START => {
                    tracing::warn!(%error, "the provider does not listen");
                    return Ok(());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Replaces a process that has died on its own, with the same data.
    pub(super) fn replace_if_unplanned(&mut self, who: Who, state: &mut State) -> anyhow::Result<()> {
        if self.ending || state.failed.is_some() {
            return Ok(());
        }
        state.replaced += 1;
        if state.replaced > MOST_REPLACEMENTS + state.provider_deaths {
            bail!("processes died {} times without being told to: see the logs", state.replaced);
        }
        match who {
            Who::Worker(worker) => {
                state.gone.remove(&worker);
                self.start_worker(worker).map(drop)
            }
            Who::Provider => self.start_provider(state.script.clone()),
        }
    }

    /// Kills whatever still runs.
    pub(super) async fn end_all(&mut self) {
        self.ending = true;
        for child in self.workers.iter_mut().chain([&mut self.provider]) {
            if let Some(mut child) = child.take() {
                child.kill().await;
            }
        }
    }
}

/// A worker's name.
pub(super) fn name(worker: usize) -> String {
    format!("worker-{}", worker + 1)
}
