//! [`Worker`]: one process of ours.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    Settings,
    claims::{clock_rate, has_begun, last_claim, tail},
};
use crate::{
    contender::Mode,
    history::Stamp,
    need,
    net::Host,
    node::{Launch, Node},
    poll::until,
    site::Site,
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
}

/// A process that contends or observes on a host of its own, started again and again with the same id.
pub struct Worker {
    id: String,
    host: Arc<Host>,
    mode: Mode,
    url: String,
    election: String,
    settings: Arc<Settings>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    incarnation: u32,
    node: Option<Node>,
}

impl Worker {
    pub(super) fn new(
        id: String,
        host: Arc<Host>,
        mode: Mode,
        url: String,
        election: &str,
        settings: &Arc<Settings>,
    ) -> Self {
        let (election, settings) = (election.to_owned(), settings.clone());
        Self { id, host, mode, url, election, settings, state: Mutex::default() }
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

    /// The id of the running process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.state().node.as_ref().and_then(Node::id)
    }

    /// How often it was started.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.state().incarnation
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

    /// Starts it, after a SIGKILL if it runs. Another incarnation of the same id.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(&self, clock: Clock) -> Result<()> {
        let mut state = self.state();
        if let Some(node) = state.node.take() {
            node.kill()?;
        }
        state.incarnation += 1;
        state.node = Some(Node::start(self.launch(clock, state.incarnation)?)?);
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.state().node.as_ref().map_or(Ok(()), Node::kill)
    }

    /// SIGSTOP.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        self.state().node.as_ref().context("a worker that was never started")?.pause()
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.state().node.as_ref().context("a worker that was never started")?.resume()
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

    /// Fails, with the end of its output, when it has ended by itself.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn expect_running(&self) -> Result<()> {
        self.state().node.as_ref().context("a worker that was never started")?.expect_running()
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
            Ok(has_begun(&tail(&self.history())?, self.incarnation()).then_some(()))
        });
        begun.await
    }

    fn with_node<T>(&self, act: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
        match &self.state().node {
            Some(node) => act(node),
            None => bail!("{self} was never started"),
        }
    }

    fn log_tail(&self) -> String {
        self.state().node.as_ref().map(Node::log_tail).unwrap_or_default()
    }

    fn launch(&self, clock: Clock, incarnation: u32) -> Result<Launch> {
        let settings = &self.settings;
        let mode = match self.mode {
            Mode::Lead => "lead",
            Mode::Observe => "observe",
        };
        let args = [
            ("url", self.url_for(clock)),
            ("election", self.election.clone()),
            ("id", self.id.clone()),
            ("incarnation", incarnation.to_string()),
            ("history", self.history().display().to_string()),
            ("sink", settings.sink().display().to_string()),
            ("mode", mode.to_owned()),
            ("seed", settings.seed.to_string()),
        ];
        Ok(Launch {
            name: self.id.clone(),
            program: settings.programs.contender.clone(),
            args: args.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]).collect(),
            env: self.environment(clock)?,
            log: settings.folder.join(format!("{}.log", self.id)),
            site: Site::Host(self.host.clone()),
        })
    }

    /// A clock that may be slow by a third has to be allowed for: the contract holds within the drift bound.
    fn url_for(&self, clock: Clock) -> String {
        match clock {
            Clock::Rate(rate) if rate < 1.0 => format!("{}&drift={:.2}", self.url, 1.0 - rate + 0.01),
            _ => self.url.clone(),
        }
    }

    fn environment(&self, clock: Clock) -> Result<Vec<(String, String)>> {
        let mut environment = vec![("RUST_LOG", "warn".to_owned())];
        if clock != Clock::True {
            let library = need::faketime().context("there is no libfaketime: cargo xtask setup")?;
            environment.push(("LD_PRELOAD", library.display().to_string()));
        }
        match clock {
            Clock::True => {}
            Clock::Rate(rate) => environment.push(("FAKETIME", format!("+0 x{rate}"))),
            Clock::Steppable => {
                self.step_clock(0)?;
                environment.push(("FAKETIME_TIMESTAMP_FILE", self.clock_file().display().to_string()));
                environment.push(("FAKETIME_CACHE_DURATION", "1".to_owned()));
                // A wall clock can be set, the others cannot.
                environment.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
            }
        }
        Ok(environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn clock_file(&self) -> PathBuf {
        self.settings.folder.join(format!("{}.clock", self.id))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
