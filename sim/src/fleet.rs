//! [`Fleet`]: many runs, each in a process of its own, so that nothing of one is left for the next.

mod account;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

pub use account::Account;

use crate::Outcome;

/// What the runs draw their randomness from, in front of libc's.
const GETRANDOM: &str = include_str!("getrandom.c");

/// Starts the processes of runs.
#[derive(Debug)]
pub struct Fleet {
    program: PathBuf,
    /// The defect of the zoo that lives in the runs.
    defect: Option<&'static str>,
    library: PathBuf,
    /// Goes with it.
    _folder: TempDir,
}

impl Fleet {
    /// Of this program.
    ///
    /// # Errors
    ///
    /// When there is no C compiler.
    pub fn new(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (source, library) = (folder.path().join("getrandom.c"), folder.path().join("getrandom.so"));
        std::fs::write(&source, GETRANDOM)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source);
        let output = compiler.output().context("cannot start cc: a C compiler is needed")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        let program = program.to_owned();
        Ok(Self { program, defect: None, library, _folder: folder })
    }

    /// The same, with a defect of the zoo alive in the runs, if the program was built for it.
    #[must_use]
    pub fn with_defect(mut self, defect: &'static str) -> Self {
        self.defect = Some(defect);
        self
    }

    fn command(&self, seed: u64) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--child", &seed.to_string()]).stdin(Stdio::null());
        // The others on the machine are not the run's: what it inherits would be a part of what it does.
        command.env_remove("ELECTION_ZOO").envs(self.defect.map(|defect| ("ELECTION_ZOO", defect)));
        command.env("LD_PRELOAD", &self.library).env("ELECTION_SIM_SEED", seed.to_string());
        command
    }

    /// What the process of a run prints.
    ///
    /// # Errors
    ///
    /// When it cannot be started or fails.
    pub fn print(&self, seed: u64, loud: bool) -> Result<Vec<u8>> {
        let mut command = self.command(seed);
        command.args(loud.then_some("--loud"));
        let output = command.output().context("cannot start a run")?;
        if !output.status.success() {
            bail!("the run of seed {seed} failed ({}): {}", output.status, last_lines(&output.stderr));
        }
        Ok(output.stdout)
    }

    /// The run of a seed.
    ///
    /// # Errors
    ///
    /// As [`print`](Self::print).
    pub fn run(&self, seed: u64) -> Result<Outcome> {
        serde_json::from_slice(&self.print(seed, false)?).context("a run prints its outcome")
    }

    /// The run of a seed, told as it happens.
    ///
    /// # Errors
    ///
    /// As [`print`](Self::print).
    pub fn tell(&self, seed: u64) -> Result<Outcome> {
        let story = self.print(seed, true)?;
        let story = story.strip_suffix(b"\n").unwrap_or(&story);
        let last = story.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        std::io::stdout().write_all(&story[..last])?;
        serde_json::from_slice(&story[last..]).context("a run prints its outcome")
    }

    /// The runs of many seeds, `jobs` at a time; `each` is told of every one. Stops early if it says so.
    ///
    /// # Errors
    ///
    /// When a run cannot be carried out.
    pub fn all(
        &self,
        seeds: std::ops::Range<u64>,
        jobs: usize,
        each: impl FnMut(&Outcome) -> bool + Send,
    ) -> Result<Account> {
        let (next, enough) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
        let shared = Mutex::new((Account::default(), each));
        let work = || -> Result<()> {
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= seeds.end || enough.load(Ordering::SeqCst) {
                    return Ok(());
                }
                let outcome = self.run(seed).inspect_err(|_| enough.store(true, Ordering::SeqCst))?;
                let mut guard = shared.lock().expect("no run panics while it is counted");
                let (account, each) = &mut *guard;
                account.add(&outcome);
                if !each(&outcome) {
                    enough.store(true, Ordering::SeqCst);
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
        })?;
        let (mut account, _) = shared.into_inner().expect("no run panics while it is counted");
        account.violated.sort();
        Ok(account)
    }
}

fn last_lines(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
