//! What a reader must know to judge a figure: the software, how it was set, and the machine.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;

use crate::clock;

/// The servers of a rig.
#[derive(Clone, Debug, Serialize)]
pub struct Servers {
    /// Name and version, e.g. `etcd 3.4.23`.
    pub software: String,
    /// How many.
    pub count: usize,
    /// Their settings that matter here; everything else is as it comes.
    pub flags: String,
    /// Ours.
    pub settings: String,
}

/// The machine and the sources.
#[derive(Clone, Debug, Serialize)]
pub struct Context {
    /// Seconds since 1970 when this process started to measure: figures of one process have the same.
    pub started: u64,
    /// The commit, with `+` if the sources differ from it; `None` outside of a checkout.
    pub commit: Option<String>,
    /// The processor.
    pub processor: String,
    /// How many of them this process may use.
    pub cores: usize,
    /// The kernel's version.
    pub kernel: String,
    /// Runnable processes per second, over the last minute, when it began: more than a little means that the machine
    /// was busy with something else.
    pub load: Option<f64>,
}

impl Context {
    /// Of now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            started: clock::unix_seconds(),
            commit: commit(),
            processor: processor().unwrap_or_else(|| "unknown".into()),
            cores: available_parallelism().map_or(1, usize::from),
            kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
            load: line("/proc/loadavg").and_then(|line| line.split(' ').next()?.parse().ok()),
        }
    }
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.to_owned())
}

fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = info.lines().find(|line| line.starts_with("model name"))?.split_once(':')?.1;
    Some(name.trim().to_owned())
}

fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let changed = if git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() { "" } else { "+" };
    Some(git(&["rev-parse", "--short=10", "HEAD"])?.trim().to_owned() + changed)
}
