//! One process on the stage.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;

use crate::billing::wire::{Order, Report};

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// A worker, from 0.
    Worker(usize),
    /// The payment provider.
    Provider,
}

/// What a process says, or that it is gone.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) who: Who,
    /// Which of its lives: a killed process and its replacement are two.
    pub(super) life: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Said(Report),
    Gone,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) life: u32,
    process: tokio::process::Child,
    /// Its lifeline: closed, it exits.
    stdin: ChildStdin,
}

impl Child {
    /// Starts this executable anew in another role. What it says goes to `events`, its log to `log`.
    ///
    /// Must be called on the main thread: the kernel takes the end of the *thread* that started a process for
    /// the end of its parent (see `lifeline`).
    pub(super) fn start(
        who: Who,
        life: u32,
        arguments: &[String],
        log: &Path,
        events: UnboundedSender<Event>,
    ) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log).context("cannot open the log")?;
        let mut process = Command::new(std::env::current_exe().context("cannot find this executable")?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C on the terminal is for the stage alone, which then ends all others.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {who:?}"))?;
        let stdin = process.stdin.take().context("no standard input")?;
        let stdout = process.stdout.take().context("no standard output")?;
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(report) = serde_json::from_str(&line) {
                    events.send(Event { who, life, what: What::Said(report) }).ok();
                }
            }
            events.send(Event { who, life, what: What::Gone }).ok();
        });
        Ok(Self { life, process, stdin })
    }

    /// Sends an order. A process that is gone is not told: that it is gone is reported anyway.
    pub(super) async fn order(&mut self, order: Order) {
        let line = format!("{}\n", order.word());
        self.stdin.write_all(line.as_bytes()).await.ok();
        self.stdin.flush().await.ok();
    }

    /// SIGSTOP, and waits until every thread has stopped.
    ///
    /// The signal alone does not do: on a busy machine the other threads run on until one of them has taken it,
    /// long enough to begin a transaction, and to hold the ledger's lock while they sleep.
    pub(super) async fn pause(&self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        kill_process(pid, Signal::STOP).context("cannot stop the process")?;
        let stopped = tokio::task::spawn_blocking(move || {
            // Not taken off the kernel's list (NOWAIT): an exit is for tokio to collect.
            let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options).map(drop))
        });
        stopped.await?.context("cannot wait for the process to stop")?;
        Ok(())
    }

    /// SIGCONT.
    pub(super) fn resume(&self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::CONT).context("cannot wake the process")
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the process is gone")
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        self.process.start_kill().ok();
        // SIGKILL cannot be refused; the bound is for a process that hangs in the kernel.
        tokio::time::timeout(Duration::from_secs(5), self.process.wait()).await.ok();
    }
}
