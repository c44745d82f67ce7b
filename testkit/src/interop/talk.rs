//! A program that is spoken with in lines.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{sync::mpsc, time::timeout};

use crate::{process::Process, work_dir::WorkDir};

/// The program, its lines and what it said so far. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Talk {
    process: Process,
    input: ChildStdin,
    lines: mpsc::UnboundedReceiver<String>,
    heard: Vec<String>,
    folder: WorkDir,
}

impl Talk {
    pub(super) fn start(command: &Command) -> Result<Self> {
        let folder = WorkDir::new("talk-")?;
        let errors = File::create(folder.path().join("stderr"))?;
        let process = Process::start(command, |command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        })?;
        let input = process.take(|child| child.stdin.take()).context("no standard input")?;
        let output = process.take(|child| child.stdout.take()).context("no standard output")?;
        let (sender, lines) = mpsc::unbounded_channel();
        // Reading blocks, so it has a thread; that ends with the program.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, input, lines, heard: Vec::new(), folder })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}").context("the program has stopped listening")
    }

    /// The next line, waited for.
    pub(super) async fn hear(&mut self, bound: Duration) -> Result<String> {
        match timeout(bound, self.lines.recv()).await {
            Ok(Some(line)) => {
                self.heard.push(line.clone());
                Ok(line)
            }
            Ok(None) => bail!("the program has ended; {}", self.account()),
            Err(_) => bail!("not a word within {bound:?}; {}", self.account()),
        }
    }

    /// Waits for a line that begins with `word`, and returns the rest of it. Lines before it are skipped.
    pub(super) async fn hear_word(&mut self, word: &str, bound: Duration) -> Result<String> {
        let search = async {
            loop {
                let line = self.hear(bound).await?;
                if let Some(rest) =
                    line.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(' '))
                {
                    return anyhow::Ok(rest.trim().to_owned());
                }
            }
        };
        let found = timeout(bound, search).await.map_err(anyhow::Error::from).flatten();
        found.with_context(|| format!("waited for {word:?}; {}", self.account()))
    }

    /// A line that has arrived already, if there is one.
    pub(super) fn heard_now(&mut self) -> Option<String> {
        let line = self.lines.try_recv().ok()?;
        self.heard.push(line.clone());
        Some(line)
    }

    /// What it said, and the end of its complaints.
    fn account(&self) -> String {
        let errors = fs::read(self.folder.path().join("stderr")).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        let lines: Vec<&str> = errors.lines().collect();
        format!(
            "it said {:?} and complained:\n{}",
            self.heard,
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    }
}
