//! [`Recorder`]: writes one process's lines.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use super::clock::{prove, wall_ns};
use super::{Event, Fault, Op, Phase, Stamp};

/// How often the stamps are compared with `/proc/uptime`.
const PROOF_EVERY: Duration = Duration::from_secs(1);

/// Writes the lines of one process, each with one `write`: a SIGKILL tears the last one at most.
#[derive(Debug)]
pub struct Recorder {
    who: Who,
    state: Mutex<State>,
}

/// Whose lines they are.
#[derive(Clone, Debug)]
pub struct Who {
    /// The candidate's or observer's id, or `harness`.
    pub id: String,
    /// The how-manieth start of that id.
    pub incarnation: u32,
    /// The election.
    pub election: String,
}

#[derive(Debug)]
struct State {
    file: File,
    seq: u64,
    /// When the stamps were last proven.
    proven: u64,
}

impl Recorder {
    /// Appends to the file, also after an incarnation that was killed in the middle of a line.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or this process's clocks are faked.
    pub fn open(path: &Path, who: Who) -> Result<Self> {
        let open = || -> std::io::Result<File> {
            let mut file = File::options().create(true).append(true).read(true).open(path)?;
            end_torn_line(&mut file)?;
            Ok(file)
        };
        let file = open().with_context(|| format!("cannot open the history {}", path.display()))?;
        let recorder = Self { who, state: Mutex::new(State { file, seq: 0, proven: 0 }) };
        recorder.record(Event::new(Op::Run, Phase::Invoke))?;
        Ok(recorder)
    }

    /// The how-manieth start of its id this process is.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.who.incarnation
    }

    /// Stamps the event and writes it. The stamp is taken here: call it *before* an operation for `invoke`, and
    /// after it for its outcome.
    ///
    /// # Errors
    ///
    /// When the file cannot be written to: what happens from then on proves nothing, so end the process.
    pub fn record(&self, mut event: Event) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::now();
        if stamp.mono_ns.saturating_sub(state.proven) >= PROOF_EVERY.as_nanos() as u64 {
            prove()?;
            state.proven = stamp.mono_ns;
        }
        event.mono_ns = stamp.mono_ns;
        event.boot_ns = stamp.boot_ns;
        event.wall_ns = Some(wall_ns());
        event.pid = std::process::id();
        event.incarnation = self.who.incarnation;
        event.id.clone_from(&self.who.id);
        event.election.clone_from(&self.who.election);
        event.seq = state.seq;
        state.seq += 1;
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        let written = state.file.write(&line).context("cannot write to the history")?;
        anyhow::ensure!(written == line.len(), "the history's disk is full: a line was cut");
        Ok(())
    }
}

/// The incarnation that is to write to this history next: each writes one first line.
///
/// # Errors
///
/// When there is a file that cannot be read.
pub fn next_incarnation(path: &Path) -> Result<u32> {
    let lines = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(1),
        lines => lines.with_context(|| format!("cannot read the history {}", path.display()))?,
    };
    let first = br#""op":"run","phase":"invoke""#;
    let begun =
        lines.split(|byte| *byte == b'\n').filter(|line| line.windows(first.len()).any(|at| at == first));
    Ok(u32::try_from(begun.count())? + 1)
}

/// What a killed incarnation left without an end gets one, so that it spoils no line but its own.
fn end_torn_line(file: &mut File) -> std::io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// A fault as the harness records it, so that the checker knows when it was surely active and when it may have been.
#[derive(Debug)]
pub struct Injection<'r> {
    recorder: &'r Recorder,
    fault: Fault,
}

impl Recorder {
    /// To be called before a fault is injected.
    ///
    /// # Errors
    ///
    /// As [`record`](Self::record).
    pub fn inject(&self, fault: Fault) -> Result<Injection<'_>> {
        let injection = Injection { recorder: self, fault };
        injection.write(Phase::Invoke)?;
        Ok(injection)
    }
}

impl Injection<'_> {
    /// What is known only later: the token it hit, whether it was exercised. The next line says it.
    pub fn fault(&mut self) -> &mut Fault {
        &mut self.fault
    }

    /// To be called once the fault is surely active, and again just before it is lifted: in between it was.
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn is_active(&self) -> Result<()> {
        self.write(Phase::Info)
    }

    /// To be called once the fault is surely over.
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn is_over(self) -> Result<()> {
        self.write(Phase::Ok)
    }

    fn write(&self, phase: Phase) -> Result<()> {
        self.recorder.record(Event { fault: Some(self.fault.clone()), ..Event::new(Op::Fault, phase) })
    }
}
