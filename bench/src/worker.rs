//! A `driver` process: the leader that is killed, the follower that takes over, a member of a Raft group.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError, unbounded_channel};

/// Longer than any failover or start; whoever waits longer has found a defect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Told to a `driver` that must not outlive the thread that started it: one that is paused does not see its input end.
const BOUND: &str = "DRIVER_BOUND";

/// For the program `driver`: asks the kernel for SIGKILL when its parent ends, if its parent wants that.
pub fn bind_to_parent() {
    if std::env::var_os(BOUND).is_some() {
        // Without it a paused driver would stay; that is all.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
}

/// A running driver, killed when dropped. It ends by itself if this process dies.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// `None` once it was ended.
    input: Option<ChildStdin>,
    events: UnboundedReceiver<String>,
}

impl Worker {
    /// Starts `driver` with these arguments.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(driver: &Path, args: &[String]) -> Result<Self> {
        let mut command = Command::new(driver);
        command.args(args);
        Self::run(command)
    }

    /// Starts a `driver` by a command that becomes one, say on a host of its own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn run(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).env(BOUND, "1");
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let (sender, events) = unbounded_channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(Self { child, input, events })
    }

    /// Gives it a command.
    ///
    /// # Errors
    /// When it has ended.
    pub fn tell(&mut self, command: &str) -> Result<()> {
        let input = self.input.as_mut().context("no input")?;
        input.write_all(format!("{command}\n").as_bytes()).context("the worker has ended")
    }

    /// The next event of this kind; others are passed over.
    ///
    /// # Errors
    /// When it reports an error, ends, or says nothing of the kind for a minute.
    pub async fn event(&mut self, kind: &str) -> Result<Value> {
        tokio::time::timeout(PATIENCE, self.find(kind))
            .await
            .with_context(|| format!("no {kind:?} within {PATIENCE:?}"))?
    }

    async fn find(&mut self, kind: &str) -> Result<Value> {
        loop {
            let line = self.events.recv().await.with_context(|| format!("ended before {kind:?}"))?;
            let event: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            match event["ev"].as_str() {
                Some(found) if found == kind => return Ok(event),
                Some("error") => bail!("the worker reports {line} while {kind:?} is awaited"),
                _ => {}
            }
        }
    }

    /// The next event of any kind, if there is one already.
    ///
    /// # Errors
    /// When it has ended, or said what is no event.
    pub fn try_event(&mut self) -> Result<Option<Value>> {
        match self.events.try_recv() {
            Ok(line) => serde_json::from_str(&line).map(Some).with_context(|| line.clone()),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => bail!("the worker has ended"),
        }
    }

    /// Makes it campaign and returns when it was elected, on the clock of [`crate::clock`].
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub async fn leads(&mut self) -> Result<u64> {
        self.event("leader").await?["t"].as_u64().context("a leader event without its time")
    }

    /// SIGKILL, then waits until the kernel has closed its sockets and files: the same member may come back. The
    /// moment before the call is the moment of the crash.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGSTOP: its connections stay open and say nothing.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("a process id out of range")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Lets it end on the command `quit`, and waits for that.
    ///
    /// # Errors
    /// When it fails.
    pub fn quit(mut self) -> Result<()> {
        self.tell("quit")?;
        self.wait()
    }

    /// Ends its input, and waits until it has ended.
    ///
    /// # Errors
    /// When it fails.
    pub fn end(mut self) -> Result<()> {
        self.input = None;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the worker ended with {status}");
        Ok(())
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
