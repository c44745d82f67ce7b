//! [`Worker`]: one process of ours.

use std::{
    fmt,
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use election_core::ElectionName;

use super::{
    Links, Settings,
    claims::{clock_rate, has_begun, last_claim, rests, tail, wall_clock_off},
};
use crate::{
    contender::Mode,
    history::{Stamp, wall_ns},
    net::Host,
    node::Node,
    poll::until,
    raft::Candidates,
};

/// How long a worker may take to resign and close: its own bounds, and some more.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// What a worker believes about time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Clock {
    /// The truth.
    #[default]
    True,
    /// All its clocks run faster (above 1) or slower, from its start on.
    Rate(f64),
    /// Its wall clock can be stepped: see [`Worker::step_clock`].
    Steppable,
    /// It can have slept: see [`Worker::has_slept`].
    Suspendable,
}

/// A process that contends or observes on a host of its own, started again and again with the same id.
pub struct Worker {
    pub(super) id: String,
    pub(super) host: Arc<Host>,
    pub(super) mode: Mode,
    pub(super) url: String,
    pub(super) election: String,
    links: Option<Links>,
    pub(super) settings: Arc<Settings>,
    is_member: bool,
    /// That of a member is a server of the ground as well, and started with it.
    node: Mutex<Option<Arc<Node>>>,
}

impl Worker {
    /// A process of its own, with the way that it reaches the servers on.
    pub(super) fn new(
        (id, mode): (String, Mode),
        host: Arc<Host>,
        (url, links): (String, Option<Links>),
        election: &ElectionName,
        settings: &Arc<Settings>,
    ) -> Self {
        let (election, settings) = (election.to_string(), settings.clone());
        Self { id, host, mode, url, election, links, settings, is_member: false, node: Mutex::default() }
    }

    /// The member of a Raft group that contends: it is killed, paused and started as the server that it is.
    pub(super) fn member(i: usize, host: Arc<Host>, node: Arc<Node>, settings: &Arc<Settings>) -> Self {
        Self {
            id: Candidates::id(i),
            host,
            mode: Mode::Lead,
            url: String::new(),
            election: String::new(),
            links: None,
            settings: settings.clone(),
            is_member: true,
            node: Mutex::new(Some(node)),
        }
    }

    /// The candidate's or observer's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it runs.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// True if it is a member of a Raft group, and not a client.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.is_member
    }

    /// The proxies between it and the servers, if there are any.
    #[must_use]
    pub fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }

    /// The id of the running process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.node().as_ref().and_then(|node| node.id())
    }

    /// The file that it records in.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.settings.histories().join(format!("{}.jsonl", self.id))
    }

    /// The token that it led with at that moment, by its own history: the last check before went well, and nothing has
    /// ended the claim since.
    ///
    /// # Errors
    ///
    /// When its history cannot be read.
    pub fn led_at(&self, moment: Stamp) -> Result<Option<u64>> {
        Ok(last_claim(&tail(&self.history())?, moment))
    }

    /// The rate of the clock that its deadlines live on, compared with the true one, as its checks since `since` show it;
    /// `None` if it has not led for long enough.
    ///
    /// # Errors
    ///
    /// When its history cannot be read.
    pub fn clock_rate(&self, since: Stamp) -> Result<Option<f64>> {
        Ok(clock_rate(&tail(&self.history())?, since))
    }

    /// How many seconds its wall clock was ahead of the true one at its last successful check; `None` if it does not lead
    /// as far as its history tells.
    ///
    /// # Errors
    ///
    /// When its history cannot be read.
    pub fn wall_clock_off(&self) -> Result<Option<f64>> {
        let events = tail(&self.history())?;
        let (now, wall) = (Stamp::now(), wall_ns());
        Ok(last_claim(&events, now).and_then(|_| wall_clock_off(&events, now, wall)))
    }

    /// Starts it, after a SIGKILL if it runs. Another incarnation of the same id.
    ///
    /// # Errors
    ///
    /// When it cannot be started; a member has true clocks only.
    pub fn start(&self, clock: Clock) -> Result<()> {
        let mut node = self.node();
        if self.is_member {
            ensure!(clock == Clock::True, "{self} is a member: false clocks are for clients");
            return node.as_ref().context("a member without a process")?.restart();
        }
        if let Some(node) = node.take() {
            node.kill()?;
        }
        *node = Some(Arc::new(Node::start(self.launch(clock)?)?));
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.node().as_ref().map_or(Ok(()), |node| node.kill())
    }

    /// SIGSTOP.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        self.with_node(Node::pause)
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.with_node(Node::resume)
    }

    /// Sets the wall clock of a [`Clock::Steppable`] worker off by that many seconds. It sees it within a second.
    ///
    /// # Errors
    ///
    /// When the file that says so cannot be written.
    pub fn step_clock(&self, seconds: i64) -> Result<()> {
        let file = self.clock_file();
        // In one act, so that nobody reads half a line.
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, format!("{seconds:+}\n"))?;
        std::fs::rename(&fresh, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Tells a [`Clock::Suspendable`] worker, while it is paused, that the time that it has slept since its start is so
    /// long: its `CLOCK_MONOTONIC` and its timers have not gone on meanwhile.
    ///
    /// # Errors
    ///
    /// When the file that says so cannot be written.
    pub fn has_slept(&self, slept: Duration) -> Result<()> {
        let (file, ns) = (self.clock_file(), u64::try_from(slept.as_nanos())?);
        // In place: the worker has mapped it.
        let mut open = OpenOptions::new().write(true).create(true).truncate(false).open(&file)?;
        open.write_all(&ns.to_ne_bytes()).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Fails, with the end of its output, when it has ended by itself.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn expect_running(&self) -> Result<()> {
        self.with_node(Node::expect_running)
    }

    /// Asks it to contend no more, and waits until it does not. A member goes on serving the others; a client ends.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub async fn retire(&self) -> Result<()> {
        if !self.is_member {
            return self.end().await;
        }
        self.listens().await?;
        self.with_node(Node::user_signal)?;
        let what = format!("{self} to contend no more");
        let rests = until(&what, ENDS_WITHIN, || async {
            self.expect_running()?;
            Ok(self.pid().filter(|pid| tail(&self.history()).is_ok_and(|events| rests(&events, *pid))))
        });
        rests.await.map(drop)
    }

    /// Asks it to resign and close, and waits until it has ended. Does nothing when it does not run.
    ///
    /// # Errors
    ///
    /// When it does not end in time, or ends with an error; the message has the end of its output.
    pub async fn end(&self) -> Result<()> {
        if self.pid().is_none() {
            return Ok(());
        }
        self.listens().await?;
        self.with_node(Node::interrupt)?;
        let what = format!("the end of {self}");
        let ended = until(&what, ENDS_WITHIN, || async { self.with_node(Node::exit_status) });
        let status = ended.await.with_context(|| self.log_tail())?;
        ensure!(status.success(), "{self} ended with {status}; its output:\n{}", self.log_tail());
        self.kill()
    }

    /// Waits until the present incarnation would hear a signal: it begins to connect after that.
    async fn listens(&self) -> Result<()> {
        let what = format!("{self} to begin");
        let begun = until(&what, ENDS_WITHIN, || async {
            self.expect_running()?;
            let events = tail(&self.history())?;
            Ok(self.pid().filter(|pid| has_begun(&events, *pid)))
        });
        begun.await.map(drop)
    }

    fn with_node<T>(&self, act: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
        match &*self.node() {
            Some(node) => act(node),
            None => bail!("{self} was never started"),
        }
    }

    fn log_tail(&self) -> String {
        self.node().as_ref().map(|node| node.log_tail()).unwrap_or_default()
    }

    fn node(&self) -> MutexGuard<'_, Option<Arc<Node>>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
