//! One server process of a test: how to start it, and what can be done to it.

use std::{
    env, fmt,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, bail};

use crate::{process::Process, site::Site};

/// How many lines of its log a server shows when its test fails; `TESTKIT_LOGS=all` shows all.
const LOG_TAIL: usize = 80;

/// Begins the line that each start writes into the log.
const START_MARK: &str = "# testkit starts ";

/// How a server is started: kept, because it may be started again.
#[derive(Clone, Debug)]
pub struct Launch {
    /// A short name for messages, e.g. `etcd-0`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What its environment has besides ours.
    pub env: Vec<(String, String)>,
    /// Where its output goes, appended.
    pub log: PathBuf,
    /// Where it runs.
    pub site: Site,
}

/// A server process that can be killed, paused and started again under the same name.
pub struct Node {
    launch: Launch,
    /// `None` while the server is down.
    process: Mutex<Option<Process>>,
}

impl Node {
    /// Starts the server; it need not be ready when this returns.
    ///
    /// # Errors
    ///
    /// When the program or its log file cannot be opened.
    pub fn start(launch: Launch) -> Result<Self> {
        let process = spawn(&launch)?;
        Ok(Self { launch, process: Mutex::new(Some(process)) })
    }

    /// Its short name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Where its output is.
    #[must_use]
    pub fn log(&self) -> &std::path::Path {
        &self.launch.log
    }

    /// Where it runs.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.launch.site
    }

    /// The id of the running process.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// SIGKILL. Does nothing when the server is down.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        match self.process().take() {
            Some(process) => process.kill().map(drop),
            None => Ok(()),
        }
    }

    /// SIGSTOP.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn pause(&self) -> Result<()> {
        self.running()?.as_ref().map_or(Ok(()), Process::pause)
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn resume(&self) -> Result<()> {
        self.running()?.as_ref().map_or(Ok(()), Process::resume)
    }

    /// Asks it to end (SIGINT), as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn interrupt(&self) -> Result<()> {
        self.running()?.as_ref().map_or(Ok(()), Process::interrupt)
    }

    /// Tells it what it has SIGUSR1 for.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn user_signal(&self) -> Result<()> {
        self.running()?.as_ref().map_or(Ok(()), Process::user_signal)
    }

    /// How the process ended, if it has ended by itself.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>> {
        self.process().as_ref().map_or(Ok(None), Process::exit_status)
    }

    /// Kills the server if it runs, and starts it again with the same files and ports.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn restart(&self) -> Result<()> {
        self.kill()?;
        *self.process() = Some(spawn(&self.launch)?);
        Ok(())
    }

    /// Fails, with the end of the log, when the server has ended by itself.
    ///
    /// # Errors
    ///
    /// When the process is not running.
    pub fn expect_running(&self) -> Result<()> {
        if self.process().is_none() {
            bail!("{} has been killed", self.name());
        }
        self.expect_not_ended()
    }

    /// Fails, with the end of the log, when the server has ended by itself. It may have been killed.
    ///
    /// # Errors
    ///
    /// When it has.
    pub fn expect_not_ended(&self) -> Result<()> {
        match self.exit_status()? {
            Some(status) => {
                bail!("{} ended by itself ({status}); its log:\n{}", self.name(), self.log_tail())
            }
            None => Ok(()),
        }
    }

    fn running(&self) -> Result<MutexGuard<'_, Option<Process>>> {
        let process = self.process();
        if process.is_none() {
            bail!("{} is down", self.name());
        }
        Ok(process)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has printed since it was last started.
    pub(crate) fn output_since_start(&self) -> String {
        let log = fs::read(&self.launch.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.rsplit_once(START_MARK).map(|(_, output)| output.to_owned()).unwrap_or_default()
    }

    /// The end of its output.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.launch.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let all = env::var_os("TESTKIT_LOGS").is_some_and(|value| value == "all");
        let skip = if all { 0 } else { lines.len().saturating_sub(LOG_TAIL) };
        lines[skip..].join("\n")
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name()).field("id", &self.id()).finish_non_exhaustive()
    }
}

fn spawn(launch: &Launch) -> Result<Process> {
    let log = File::options().create(true).append(true).open(&launch.log);
    let mut log = log.with_context(|| format!("cannot open the log {}", launch.log.display()))?;
    writeln!(log, "{START_MARK}{} {}", launch.program.display(), launch.args.join(" "))?;
    let errors = log.try_clone()?;
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).envs(launch.env.iter().map(|(name, value)| (name, value)));
    Process::start(&launch.site.command(command), |command| {
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
    })
}
