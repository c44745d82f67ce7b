//! [`Candidate`]: a `driver` on a host of its own, told and heard through its standard streams alone.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bench::{clock, worker::Worker};
use serde_json::Value;
use testkit::net::Host;
use testkit::process::is_stopped;

use crate::record::{PATIENCE, Record, Who, number};

/// How often a candidate checks whether it leads, in milliseconds.
const PACE: u32 = 5;

/// A process that campaigns, checks all the time, and campaigns anew whenever a leadership has ended.
pub(crate) struct Candidate {
    id: String,
    host: Arc<Host>,
    args: Vec<String>,
    /// What it writes for people.
    log: PathBuf,
    worker: Option<Worker>,
    incarnation: u32,
    /// When it was last told to campaign.
    told: u64,
    /// Its last successful check: token and moment.
    led: Option<(u64, u64)>,
    /// It was told to resign, and has not answered.
    resigns: bool,
}

impl Candidate {
    pub(crate) fn new(id: usize, host: Arc<Host>, args: Vec<String>, log: PathBuf) -> Self {
        let (worker, incarnation, told, led, resigns) = (None, 0, 0, None, false);
        Self { id: id.to_string(), host, args, log, worker, incarnation, told, led, resigns }
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The moment of its last successful check.
    pub(crate) fn led_at(&self) -> Option<u64> {
        self.led.map(|(_, at)| at)
    }

    /// Starts it, also again.
    pub(crate) fn start(&mut self, record: &mut Record) -> Result<()> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
        command.args(&self.args);
        let mut command = self.host.command(&command);
        command.stderr(File::options().create(true).append(true).open(&self.log)?);
        self.worker = Some(Worker::run(command)?);
        self.incarnation += 1;
        record.begun(&self.who()?);
        self.resigns = false;
        self.campaign()?;
        self.tell(&format!("sample {PACE}"))
    }

    pub(crate) fn worker(&mut self) -> Result<&mut Worker> {
        self.worker.as_mut().context("it does not run")
    }

    /// SIGSTOP, and waits until it is obeyed: one thread stops the others, and on a busy machine those go on for some
    /// milliseconds.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.worker()?.pause()?;
        let (pid, asked) = (self.who()?.pid, clock::now_ns());
        while !is_stopped(pid) {
            ensure!(clock::since(asked) < PATIENCE, "candidate {} does not stop", self.id);
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// SIGKILL; what it had said before is heard.
    pub(crate) fn kill(&mut self, record: &mut Record) -> Result<()> {
        self.hear(record)?;
        self.worker.take().map_or(Ok(()), |mut worker| worker.kill())
    }

    /// Tells it to resign, unless it was told already.
    pub(crate) fn resign(&mut self) -> Result<()> {
        if self.resigns {
            return Ok(());
        }
        self.resigns = true;
        self.tell("resign")
    }

    fn campaign(&mut self) -> Result<()> {
        self.told = clock::now_ns();
        self.tell("campaign storm")
    }

    fn tell(&mut self, command: &str) -> Result<()> {
        self.worker()?.tell(command)
    }

    pub(crate) fn who(&self) -> Result<Who> {
        let pid = self.worker.as_ref().context("it does not run")?.id();
        Ok(Who { id: self.id.clone(), incarnation: self.incarnation, pid })
    }

    /// Takes down what it has said.
    ///
    /// # Errors
    /// When it has ended, or given up.
    pub(crate) fn hear(&mut self, record: &mut Record) -> Result<()> {
        while let Some(worker) = &mut self.worker {
            let event = worker.try_event().with_context(|| format!("candidate {}", self.id))?;
            let Some(event) = event else { break };
            self.understand(&event, record)?;
        }
        Ok(())
    }

    fn understand(&mut self, event: &Value, record: &mut Record) -> Result<()> {
        let who = self.who()?;
        match event["ev"].as_str() {
            Some("check") => {
                record.checked(&who, event)?;
                if event["ok"] == true {
                    self.led = Some((number(event, "token")?, number(event, "t")?));
                }
            }
            Some("leader") => record.won(&who, self.told, event)?,
            Some("lost") => {
                record.lost(&who, event)?;
                self.campaign()?;
            }
            Some("resigned") => {
                self.resigns = false;
                let (token, _) = self.led.context("it resigned and never led")?;
                record.resigned(&who, token, event)?;
                self.campaign()?;
            }
            // It had lost the leadership a moment before, and campaigns again.
            Some("error") if self.resigns && event["err"] == "resign: it does not lead" => {
                self.resigns = false;
            }
            // Not confirmed, on a machine that is too busy; over it is all the same.
            Some("error") if self.resigns && event["err"].to_string().contains(": resign") => {
                self.resigns = false;
                self.campaign()?;
            }
            Some("ready") => {}
            _ => bail!("candidate {} says {event}", self.id),
        }
        Ok(())
    }

    /// The end of what it wrote for people.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.lines().count().saturating_sub(20);
        let lines: Vec<&str> = log.lines().skip(from).collect();
        format!("--- candidate {}\n{}", self.id, lines.join("\n"))
    }
}
