//! What a process can be watched by: names and units of its metrics, and the one place where each is set.
//!
//! They go to whatever recorder the process has installed for the `metrics` facade; without one they cost a check.
//! Install it before connecting. A process has one member at most, so there are no labels for it: the scraper knows
//! the process. The table in the README is made of [`ALL`] (a test compares them).

use std::time::Duration;

use election_core::{Error, Result};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::state_machine::Refusal;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Gauge,
    Counter,
    Histogram,
}

macro_rules! metrics {
    ($($name:ident = $text:literal, $sort:ident, $unit:ident, $what:literal;)*) => {
        $(pub(crate) const $name: &str = concat!("election_raft_", $text);)*
        /// Every metric: its name, sort and unit, and what it says.
        pub(crate) const ALL: &[(&str, Sort, Unit, &str)] = &[$(($name, Sort::$sort, Unit::$unit, $what)),*];
    };
}

metrics! {
    LEADER = "leader_id", Gauge, Count, "id of the Raft leader that this member knows, 0 if none";
    SERVES = "serves", Gauge, Count, "1 while this member serves as Raft leader";
    TERM = "term", Gauge, Count, "Raft term";
    MEMBERS = "voters", Gauge, Count, "voting members";
    LAST = "log_last_index", Gauge, Count, "index of the last log entry on this member";
    COMMITTED = "log_committed_index", Gauge, Count, "index of the last entry known to be committed";
    APPLIED = "log_applied_index", Gauge, Count, "index of the last entry applied";
    LAG = "apply_lag_entries", Gauge, Count, "entries of the log that are not applied yet";
    ENTRIES = "log_entries", Gauge, Count, "entries in the log on disk";
    DATABASE = "database_bytes", Gauge, Bytes, "size of the file with vote and log";
    SNAPSHOT_INDEX = "snapshot_index", Gauge, Count, "index that the newest snapshot goes up to";
    SNAPSHOT_BYTES = "snapshot_bytes", Gauge, Bytes, "size of the newest snapshot";
    SNAPSHOT_AGE = "snapshot_age_seconds", Gauge, Seconds, "since the newest snapshot was written, or found at the start";
    SESSIONS = "sessions", Gauge, Count, "sessions in the replicated state";
    ELECTIONS = "elections", Gauge, Count, "elections with a candidate";
    CANDIDACIES = "candidacies", Gauge, Count, "candidates in all queues, the leaders included";
    CONNECTIONS = "client_connections", Gauge, Count, "connections of clients to this member";
    OFFICES = "offices_total", Counter, Count, "how often this member began to serve as Raft leader";
    OPENED = "sessions_opened_total", Counter, Count, "sessions opened while this member served";
    GONE = "sessions_ended_total", Counter, Count, "sessions that ended while it served, by `why`: closed, expired";
    GRANTED = "leaderships_total", Counter, Count, "leaderships granted while it served";
    DEPOSED = "deposed_total", Counter, Count, "candidacies that an administrator removed while it served";
    REFUSED = "refused_total", Counter, Count, "what was refused because of a limit, by `limit`";
    FSYNC = "fsync_seconds", Histogram, Seconds, "to make one batch of the log durable";
    BATCH = "fsync_jobs", Histogram, Count, "appends and votes that shared an fsync";
    ROUND = "quorum_round_seconds", Histogram, Seconds, "to have leadership confirmed by a quorum";
    SHARED = "quorum_round_requests", Histogram, Count, "renewals and reads that shared a quorum round";
    PROOF = "session_proof_seconds", Histogram, Seconds, "to prove this process's own session: one renewal";
    LOST = "sessions_lost_total", Counter, Count, "sessions of this process that ended before it closed them";
}

/// Lets Prometheus scrape this process at `address` (`host:port`, the host a number). Call it before connecting, from
/// within a tokio runtime, and once: it installs the process's recorder.
///
/// # Errors
/// `InvalidConfig` if the address cannot be listened on, if there is a recorder already, or if this crate was built
/// without its feature `prometheus`.
pub fn serve_metrics(address: &str) -> Result<()> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::invalid_config(format!("metrics is {address:?}: {error}")).backend(crate::error::BACKEND)
    };
    #[cfg(feature = "prometheus")]
    {
        let address: std::net::SocketAddr = address.parse().map_err(|error| wrong(&error))?;
        let exporter = metrics_exporter_prometheus::PrometheusBuilder::new().with_http_listener(address);
        exporter.install().map_err(|error| wrong(&error))
    }
    #[cfg(not(feature = "prometheus"))]
    Err(wrong(&"this crate was built without its feature `prometheus`"))
}

/// Tells the recorder what there is.
pub(crate) fn describe() {
    for (name, sort, unit, what) in ALL {
        match sort {
            Sort::Gauge => describe_gauge!(*name, *unit, *what),
            Sort::Counter => describe_counter!(*name, *unit, *what),
            Sort::Histogram => describe_histogram!(*name, *unit, *what),
        }
    }
}

/// Sets a gauge. Beyond 2^53 a float is not exact: good enough to look at.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn set(name: &'static str, value: u64) {
    gauge!(name).set(value as f64);
}

/// Counts one more.
pub(crate) fn count(name: &'static str) {
    counter!(name).increment(1);
}

/// Counts an end of a session.
pub(crate) fn gone(why: &'static str) {
    counter!(GONE, "why" => why).increment(1);
}

/// Counts a refusal.
pub(crate) fn refused(limit: &'static str) {
    counter!(REFUSED, "limit" => limit).increment(1);
}

/// Counts a refusal of the state machine.
pub(crate) fn refused_by_state(refusal: Refusal) {
    refused(match refusal {
        Refusal::Sessions => "sessions",
        Refusal::SessionsOfOne => "sessions_of_one",
        Refusal::Candidacies | Refusal::RecordsOfOne => "candidacies_of_one",
        Refusal::Candidates => "candidates",
        Refusal::Records => "candidacies",
        Refusal::Bytes => "bytes",
        Refusal::BytesOfOne => "bytes_of_one",
        _ => "other",
    });
}

/// One fsync and how much shared it.
pub(crate) fn fsync(took: Duration, jobs: usize) {
    shared(FSYNC, took, BATCH, jobs);
}

/// One quorum round and how much shared it.
pub(crate) fn round(took: Duration, requests: usize) {
    shared(ROUND, took, SHARED, requests);
}

#[expect(clippy::cast_precision_loss, reason = "histograms are of floats")]
fn shared(time: &'static str, took: Duration, size: &'static str, among: usize) {
    histogram!(time).record(took.as_secs_f64());
    histogram!(size).record(among as f64);
}

/// One proof of this process's session.
pub(crate) fn proof(took: Duration) {
    histogram!(PROOF).record(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_metric_and_no_other() {
        let sort = |sort| match sort {
            Sort::Gauge => "gauge",
            Sort::Counter => "counter",
            Sort::Histogram => "histogram",
        };
        let rows = ALL.iter().map(|(name, kind, unit, what)| {
            let unit = if *unit == Unit::Count { "" } else { unit.as_str() };
            format!("| `{name}` | {} | {unit} | {what} |", sort(*kind))
        });
        let wanted = rows.collect::<Vec<_>>().join("\n");
        let readme = include_str!("../README.md");
        let found: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `election_raft_")).collect();
        assert_eq!(found.join("\n"), wanted, "put this into the README:\n{wanted}");
    }
}
