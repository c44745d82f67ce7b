//! A run of named steps: shown while they run, timed, and summed up at the end.

use std::{
    env,
    io::{IsTerminal, stdout},
    time::Duration,
};

use anyhow::{Result, bail};

use crate::clock::Stopwatch;

/// The steps so far. A failed one does not stop the next: one run shows everything that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Performs one step.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        println!("\n{}", bold(&format!("==> {name}")));
        let watch = Stopwatch::start();
        let failure = work().err().map(|error| format!("{error:#}"));
        let took = watch.elapsed();
        if let Some(failure) = &failure {
            println!("{}: {failure}", bold("FAILED"));
        }
        self.done.push(Step { name: name.to_owned(), took, failure });
    }

    /// True when a step has failed: for those that are of no use after that.
    pub(crate) fn any_failed(&self) -> bool {
        self.done.iter().any(|step| step.failure.is_some())
    }

    /// Prints every step with its duration.
    ///
    /// # Errors
    ///
    /// When one has failed.
    pub(crate) fn finish(self) -> Result<()> {
        println!();
        for step in &self.done {
            let verdict = if step.failure.is_some() { bold("FAILED") } else { "ok".to_owned() };
            println!("{:>7.1} s  {}  {verdict}", step.took.as_secs_f64(), step.name);
        }
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        println!("{:>7.1} s  in all", total.as_secs_f64());
        let failed: Vec<&str> =
            self.done.iter().filter(|step| step.failure.is_some()).map(|step| step.name.as_str()).collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", failed.join(", "))
    }
}

/// Bold on a terminal, plain elsewhere.
pub(crate) fn bold(text: &str) -> String {
    if stdout().is_terminal() && env::var_os("NO_COLOR").is_none() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
