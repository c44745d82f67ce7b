//! What the driver is told: commands, one per line.

use std::io::{self, BufRead};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::args::seconds;

/// The lines of the standard input.
///
/// A plain thread reads them: a blocking read must not hold up the runtime, nor its shutdown.
#[derive(Debug)]
pub struct Input(UnboundedReceiver<String>);

impl Input {
    /// Reads the standard input of this process.
    #[must_use]
    pub fn stdin() -> Self {
        let (sender, receiver) = unbounded_channel();
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut line = Vec::new();
            // Bytes, because a line that is not UTF-8 is a bad command and not the end of the input.
            while stdin.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self(receiver)
    }

    /// The next line; `None` at the end of the input.
    ///
    /// # Cancel safety
    /// Cancel safe: no line is lost.
    pub async fn line(&mut self) -> Option<String> {
        self.0.recv().await
    }

    /// Waits for the end of the input — for ever if that is `/dev/null`, whose end nobody wrote.
    pub async fn end(&mut self) {
        while self.line().await.is_some() {}
        if std::fs::read_link("/proc/self/fd/0").is_ok_and(|path| path.as_os_str() == "/dev/null") {
            std::future::pending::<()>().await;
        }
    }
}

/// A command to a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Enter the election with this value.
    Campaign(String),
    /// Resign.
    Resign,
    /// Say once whether it leads.
    Check,
    /// Say it again and again, at this pace; zero stops it.
    Sample(Duration),
    /// Run candidates through this raft member, and say what that measured.
    Cycle {
        /// How many.
        candidates: usize,
        /// The measured time.
        measure: Duration,
        /// The time before.
        warmup: Duration,
    },
    /// End.
    Quit,
}

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    /// When it is none, with what is wrong with it.
    pub fn parse(line: &str) -> Result<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers = || rest.split_whitespace().map(|number| number.parse::<f64>().ok()).collect::<Vec<_>>();
        Ok(match word {
            "campaign" => Self::Campaign(rest.to_owned()),
            "resign" => Self::Resign,
            "check" => Self::Check,
            "quit" => Self::Quit,
            "sample" => match numbers()[..] {
                [Some(millis)] => Self::Sample(seconds("sample", millis / 1e3).context("in milliseconds")?),
                _ => bail!("sample wants one number, MS: {line:?}"),
            },
            "cycle" => match numbers()[..] {
                [Some(candidates), Some(measure), Some(warmup)] => {
                    ensure!(
                        (1.0..=100_000.0).contains(&candidates),
                        "cycle wants 1 to 100000 candidates: {line:?}"
                    );
                    let (measure, warmup) = (seconds("cycle", measure)?, seconds("cycle", warmup)?);
                    Self::Cycle { candidates: candidates as usize, measure, warmup }
                }
                _ => bail!("cycle wants three numbers, C S W: {line:?}"),
            },
            _ => bail!(
                "unknown command {line:?}: give campaign VAL, resign, check, sample MS, cycle C S W or quit"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_understood_and_garbage_is_named() {
        let parse = |line| Command::parse(line).unwrap();
        assert_eq!(parse("campaign a b"), Command::Campaign("a b".into()));
        assert_eq!(parse("campaign"), Command::Campaign(String::new()));
        assert_eq!(parse("sample 5"), Command::Sample(Duration::from_millis(5)));
        assert_eq!(parse("sample 0.5"), Command::Sample(Duration::from_micros(500)));
        let (measure, warmup) = (Duration::from_secs(5), Duration::from_secs(1));
        assert_eq!(parse("cycle 64 5 1"), Command::Cycle { candidates: 64, measure, warmup });
        for garbage in
            ["", "sample", "sample x", "sample -1", "sample NaN", "cycle 1 2", "cycle 0 1 1", "Resign!"]
        {
            assert!(Command::parse(garbage).is_err(), "{garbage:?}");
        }
    }
}
