//! Installing Debian packages.

use std::{
    fs,
    io::{IsTerminal, stdin},
};

use anyhow::{Result, bail};

use crate::run::{Run, on_path};

/// Another apt may be at work, e.g. the one that upgrades a fresh cloud machine by itself.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";

/// Installs packages, as root or through sudo.
///
/// # Errors
///
/// When there is no apt-get, no right to use it (the message is the command to run), or the installation fails.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if on_path("apt-get").is_none() {
        bail!("there is no apt-get here; install what these Debian packages hold: {}", packages.join(" "));
    }
    let command = || {
        let options =
            ["install", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", LOCK_TIMEOUT];
        options.into_iter().chain(packages.iter().copied())
    };
    let Some(apt) = Apt::with_rights() else {
        bail!("as root, run: apt-get update && apt-get {}", command().collect::<Vec<_>>().join(" "));
    };
    if !has_lists() {
        apt.update();
    } else if apt.run(command()).is_ok() {
        return Ok(());
    } else {
        // Lists that have grown old name versions that the archive no longer has.
        apt.update();
    }
    apt.run(command())
}

#[derive(Clone, Copy)]
struct Apt {
    sudo: bool,
}

impl Apt {
    fn with_rights() -> Option<Self> {
        if Run::new("id").args(["-u"]).output().is_ok_and(|id| id.trim() == "0") {
            return Some(Self { sudo: false });
        }
        // With a terminal, sudo can ask for the password.
        let usable = on_path("sudo").is_some()
            && (stdin().is_terminal() || Run::new("sudo").args(["-n", "true"]).try_quietly());
        usable.then_some(Self { sudo: true })
    }

    fn run<'a>(self, arguments: impl Iterator<Item = &'a str>) -> Result<()> {
        let no_questions = "DEBIAN_FRONTEND=noninteractive";
        let program = if self.sudo { Run::new("sudo").args(["env"]) } else { Run::new("env") };
        program.args([no_questions, "apt-get"]).args(arguments).succeed()
    }

    /// One archive of many that cannot be reached makes this fail, and is no reason not to try.
    fn update(self) {
        if let Err(error) = self.run(["update", "-o", LOCK_TIMEOUT].into_iter()) {
            println!("going on without: {error:#}");
        }
    }
}

/// A fresh container has no package lists at all.
fn has_lists() -> bool {
    let lists = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    lists.map(|list| list.file_name()).any(|name| name.to_string_lossy().contains("Packages"))
}
