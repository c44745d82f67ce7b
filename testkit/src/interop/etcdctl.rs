//! `etcdctl elect`: Go's `concurrency.Election` from the command line.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};

use super::talk::Talk;
use crate::poll::until;

/// A candidate of `etcdctl elect`. Its session has a TTL of a minute, so a killed one holds its place that long.
#[derive(Debug)]
pub struct Elect(Talk);

impl Elect {
    /// Joins the election `prefix` (ours are called `<root>/<election>`) with a value.
    ///
    /// # Errors
    ///
    /// When `etcdctl` cannot be started.
    pub fn join(endpoints: &[String], prefix: &str, value: &str) -> Result<Self> {
        let mut command = etcdctl(endpoints);
        command.args(["elect", prefix, value]);
        Ok(Self(Talk::start(&command)?))
    }

    /// Waits until it leads, and returns the key of its record.
    ///
    /// # Errors
    ///
    /// When that takes longer than `bound`, or it has ended.
    pub async fn leads(&mut self, bound: Duration) -> Result<String> {
        // It prints the leader's key and value once it is the leader itself.
        let key = self.0.hear(bound).await?;
        self.0.hear(bound).await?;
        Ok(key)
    }

    /// True when it has said by now that it leads.
    #[must_use]
    pub fn leads_now(&mut self) -> bool {
        self.0.heard_now().is_some()
    }

    /// SIGINT: it resigns, or withdraws while it waits, and ends.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub async fn resign(self) -> Result<()> {
        stop(&self.0).await
    }
}

/// An observer: `etcdctl elect --listen`.
#[derive(Debug)]
pub struct Listen(Talk);

impl Listen {
    /// Begins to observe the election `prefix`.
    ///
    /// # Errors
    ///
    /// When `etcdctl` cannot be started.
    pub fn to(endpoints: &[String], prefix: &str) -> Result<Self> {
        let mut command = etcdctl(endpoints);
        command.args(["elect", "--listen", prefix]);
        Ok(Self(Talk::start(&command)?))
    }

    /// Waits for the next leader and returns its value.
    ///
    /// # Errors
    ///
    /// When that takes longer than `bound`, or it has ended.
    pub async fn next_leader(&mut self, bound: Duration) -> Result<String> {
        let key = self.0.hear(bound).await?;
        ensure!(key.starts_with('/'), "{key:?} is not the key of a record");
        self.0.hear(bound).await
    }
}

async fn stop(talk: &Talk) -> Result<()> {
    talk.process().interrupt()?;
    let end = || async { Ok(talk.process().exit_status()?.map(drop)) };
    until("etcdctl to end", Duration::from_secs(10), end).await
}

fn etcdctl(endpoints: &[String]) -> Command {
    let mut command = Command::new("etcdctl");
    // Without it, the etcdctl of 3.4's predecessors speaks the old protocol, which has no elections.
    command.env("ETCDCTL_API", "3").arg("--endpoints").arg(endpoints.join(","));
    command
}
