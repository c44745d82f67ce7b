//! How a worker's process is started, and what its environment makes of time.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{Clock, Worker};
use crate::{contender::Mode, need, node::Launch, site::Site};

/// The file name, after the worker's, of what holds back its clock.
pub(crate) const SUSPEND_LIBRARY: &str = ".suspend.so";

impl Worker {
    pub(super) fn launch(&self, clock: Clock) -> Result<Launch> {
        let settings = &self.settings;
        let mode = match self.mode {
            Mode::Lead => "lead",
            Mode::Observe => "observe",
        };
        let mut args = vec![
            ("url", self.url_for(clock)),
            ("election", self.election.clone()),
            ("id", self.id.clone()),
            ("history", self.history().display().to_string()),
            ("sink", settings.sink().display().to_string()),
            ("mode", mode.to_owned()),
            ("seed", settings.seed.to_string()),
        ];
        if settings.steadfast {
            args.extend([("resign", "0".to_owned()), ("drop", "0".to_owned())]);
        }
        Ok(Launch {
            name: self.id.clone(),
            program: settings.programs.contender.clone(),
            args: args.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]).collect(),
            env: self.environment(clock)?,
            log: settings.folder.join(format!("{}.log", self.id)),
            site: Site::Host(self.host.clone()),
        })
    }

    /// A clock that may be slow by a third has to be allowed for: the contract holds within the drift bound.
    fn url_for(&self, clock: Clock) -> String {
        match clock {
            Clock::Rate(rate) if rate < 1.0 => format!("{}&drift={:.2}", self.url, 1.0 - rate + 0.01),
            _ => self.url.clone(),
        }
    }

    fn environment(&self, clock: Clock) -> Result<Vec<(String, String)>> {
        let mut environment = vec![("RUST_LOG", "warn".to_owned())];
        let library = match clock {
            Clock::True => None,
            Clock::Rate(_) | Clock::Steppable => {
                Some(need::faketime().context("there is no libfaketime: cargo xtask setup")?)
            }
            Clock::Suspendable => Some(self.suspend_library()?),
        };
        environment.extend(library.map(|library| ("LD_PRELOAD", library.display().to_string())));
        match clock {
            Clock::True => {}
            Clock::Rate(rate) => environment.push(("FAKETIME", format!("+0 x{rate}"))),
            Clock::Steppable => {
                self.step_clock(0)?;
                environment.push(("FAKETIME_TIMESTAMP_FILE", self.clock_file().display().to_string()));
                environment.push(("FAKETIME_CACHE_DURATION", "1".to_owned()));
                // A wall clock can be set, the others cannot.
                environment.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
            }
            Clock::Suspendable => {
                self.has_slept(Duration::ZERO)?;
                environment.push(("ELECTION_SUSPENDED", self.clock_file().display().to_string()));
            }
        }
        Ok(environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Compiles what holds back its clock. No tool that there is fakes `CLOCK_MONOTONIC` and not `CLOCK_BOOTTIME`.
    fn suspend_library(&self) -> Result<PathBuf> {
        let named = |ending: &str| self.settings.folder.join(format!("{}{ending}", self.id));
        let (source, library) = (named(".suspend.c"), named(SUSPEND_LIBRARY));
        fs::write(&source, include_str!("suspend.c"))?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        let output = compiler.output().context("cannot run cc, which cargo needs as well")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", source.display());
        Ok(library)
    }

    pub(super) fn clock_file(&self) -> PathBuf {
        self.settings.folder.join(format!("{}.clock", self.id))
    }
}
