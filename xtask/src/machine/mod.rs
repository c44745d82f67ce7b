//! What the build and the tests need from the machine, and how to get it.

mod apt;
mod needs;
mod protoc;

pub(crate) use needs::{BUILD, COUNTING, EVERYTHING, Need};

use std::env;

use anyhow::{Result, bail};

use crate::run::Run;

/// What the commands that follow must have in their environment.
#[derive(Debug, Default)]
pub(crate) struct Provided {
    environment: Vec<(&'static str, String)>,
}

impl Provided {
    /// The same command with that environment.
    pub(crate) fn to(&self, mut run: Run) -> Run {
        for (name, value) in &self.environment {
            run = run.env(name, value);
        }
        run
    }
}

/// Installs what is missing of `needs`.
///
/// # Errors
///
/// When something stays missing; the message says what, and the command that installs it.
pub(crate) fn provide(needs: &[Need]) -> Result<Provided> {
    let mut missing = absent(needs);
    if !missing.is_empty() {
        println!("missing: {}", names(&missing));
        let installed = apt::install(&packages(&missing));
        missing = absent(needs);
        if let (Err(error), false) = (installed, missing.iter().all(Need::has_fallback)) {
            return Err(error);
        }
    }
    let mut provided = Provided::default();
    if missing.iter().any(Need::has_fallback) {
        provided.environment = protoc::vendored()?;
        missing.retain(|need| !need.has_fallback());
    }
    if !missing.is_empty() {
        bail!("still missing after the installation: {}", names(&missing));
    }
    println!("nothing is missing");
    Ok(provided)
}

/// What the machine has, without installing anything: only protoc is replaced when it is missing, because nothing
/// builds without it.
///
/// # Errors
///
/// When protoc can be found nowhere.
pub(crate) fn accept(needs: &[Need]) -> Result<Provided> {
    let missing = absent(needs);
    if !missing.is_empty() {
        println!("missing, and not to be installed: {}", names(&missing));
    }
    let environment = if missing.iter().any(Need::has_fallback) { protoc::vendored()? } else { Vec::new() };
    Ok(Provided { environment })
}

/// True when the environment says that this is a CI run.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

fn absent(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|need| !need.is_met()).collect()
}

fn names(needs: &[Need]) -> String {
    needs.iter().map(Need::name).collect::<Vec<_>>().join(", ")
}

fn packages(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs.iter().flat_map(Need::packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}
