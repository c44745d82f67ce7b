//! [`Outcome`]: what a run is worth.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;

use crate::{
    checker::{Report, Verdict, render},
    history::History,
};

/// How many violations are drawn.
const DRAWN: usize = 5;

/// The checker's report on a run, and what the harness knows besides.
#[derive(Debug)]
pub struct Outcome {
    /// What the checker says.
    pub report: Report,
    /// What it says it about.
    pub history: History,
    /// The election.
    pub election: String,
    /// How often each fault was exercised, and how often it was tried in vain.
    pub tries: BTreeMap<&'static str, (usize, usize)>,
}

impl Outcome {
    /// What the checker decides.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.report.verdict()
    }

    /// As `--help` tells them.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.verdict() {
            Verdict::Passed => 0,
            Verdict::Violated => 1,
            Verdict::NotExercised => 3,
        })
    }

    /// Draws the first violations into that folder.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub fn draw(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let draw = |(i, violation)| {
            let file = folder.join(format!("violation-{}.svg", i + 1));
            fs::write(&file, render(&self.history, &self.election, violation))?;
            Ok(file)
        };
        self.report.violations.iter().take(DRAWN).enumerate().map(draw).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults                exercised  in vain")?;
        for (name, (done, missed)) in &self.tries {
            writeln!(f, "  {name:<18} {done:>10} {missed:>8}")?;
        }
        write!(f, "{}", self.report)
    }
}
