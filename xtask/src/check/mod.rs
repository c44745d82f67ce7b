//! `cargo xtask check` and `cargo xtask deny`: what can be said without running a test.

mod dependencies;
mod lints;
mod metadata;
mod sources;

use anyhow::Result;

use crate::{
    machine::{self, Provided},
    run::{Run, on_path},
    steps::Steps,
};

/// Runs all static checks.
pub(crate) fn all(steps: &mut Steps) {
    let mut provided = Provided::default();
    steps.run("what the build needs", || {
        provided = machine::provide(machine::BUILD)?;
        Ok(())
    });
    if steps.any_failed() {
        return;
    }
    steps.run("format", || Run::cargo().args(["fmt", "--all", "--check"]).succeed());
    steps.run("lock file", lock_file);
    steps.run("sources", sources::check);
    steps.run("generated comparison", crate::report::check);
    steps.run("dependencies", dependencies::check);
    lints::all(steps, &provided);
}

/// A lock file that cargo would have to change is one that nobody else has built with.
fn lock_file() -> Result<()> {
    Run::cargo().args(["metadata", "--locked", "--format-version", "1"]).output().map(drop)
}

/// Licences, bans and sources of all dependencies. Advisories would have to be fetched; CI may be offline.
///
/// # Errors
///
/// When cargo-deny objects, or cannot be installed.
pub(crate) fn deny() -> Result<()> {
    if on_path("cargo-deny").is_none() && !Run::cargo().args(["deny", "--version"]).try_quietly() {
        // Not optimised: it is built once for one run of a second.
        Run::cargo().args(["install", "--debug", "--locked", "cargo-deny"]).succeed()?;
    }
    Run::cargo()
        .args(["deny", "--all-features", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
        .succeed()
}
