//! Processes that end when the test process ends, however that happens.
//!
//! A `Drop` does not run in a process that is SIGKILLed, so the kernel has to do it: each child is started through
//! `setpriv --pdeathsig KILL`. That signal is sent when the parent **thread** ends, and libtest runs every test in a
//! thread of its own: so one thread that never ends starts all children.

use std::{
    fs::{self, DirEntry},
    io,
    process::{Child, Command, ExitStatus},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, Sender, SyncSender},
    },
    thread,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Runs the program only if its parent is still the one that asked for it: a parent that died between the fork and
/// the request for the death signal would otherwise leave an orphan. `$0` is the parent's id.
const ONLY_WITH_PARENT: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// A child process, killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    /// Reaped only under this lock, so that no signal ever goes to a stranger who got the id of a dead child.
    child: Mutex<Child>,
}

impl Process {
    /// Starts a program that will not outlive this process. Only program, arguments, environment, folder and what
    /// `prepare` sets (the standard streams) are handed on.
    ///
    /// # Errors
    ///
    /// When `setpriv` (util-linux) or the program cannot be started.
    pub fn start(command: &Command, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut wrapped = bound_to_us(command);
        prepare(&mut wrapped);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = spawn(wrapped).with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child: Mutex::new(child) })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// How the process ended, if it has.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child().try_wait()?)
    }

    /// Stops the process where it stands (SIGSTOP).
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end (SIGINT), as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Tells it what it has SIGUSR1 for.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn user_signal(&self) -> Result<()> {
        self.signal(Signal::USR1)
    }

    /// Ends it (SIGKILL) and waits until the kernel has closed its sockets and files.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<ExitStatus> {
        let mut child = self.child();
        child.kill()?;
        Ok(child.wait()?)
    }

    /// Takes one of the standard streams that `prepare` piped.
    pub fn take<T>(&self, stream: impl FnOnce(&mut Child) -> Option<T>) -> Option<T> {
        stream(&mut self.child())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child();
        if let Some(status) = child.try_wait()? {
            bail!("process {} has ended: {status}", child.id());
        }
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id out of range")?;
        Ok(kill_process(pid, signal)?)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Whether every thread of a process has stopped, by the kernel's account: SIGSTOP takes its time. A process that is
/// not there has not.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    // The state is the word after the name in parentheses.
    let stopped = |thread: io::Result<DirEntry>| {
        let stat = fs::read_to_string(thread?.path().join("stat"))?;
        io::Result::Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    };
    let Ok(mut threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.all(|thread| stopped(thread).unwrap_or(false))
}

/// The same command, through `setpriv`.
fn bound_to_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "KILL", "--", "sh", "-c", ONLY_WITH_PARENT]);
    wrapped.arg(std::process::id().to_string()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

struct Order {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// Starts the command from the thread that never ends.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        let work = move || {
            for mut order in orders {
                let _ = order.reply.send(order.command.spawn());
            }
        };
        // Without this thread nothing can be started; a test cannot go on.
        thread::Builder::new().name("testkit-spawner".into()).spawn(work).expect("a thread for the spawner");
        sender
    });
    let (reply, answer) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the spawner thread has ended");
    spawner.send(Order { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
