//! Looks at a member once a second and sets its gauges.

use std::sync::Arc;
use std::time::Duration;

use election_core::clock::Instant;
use openraft::async_runtime::WatchReceiver;
use tokio_util::sync::CancellationToken;

use crate::metering::{self, set};
use crate::network::Door;
use crate::state_machine::Replica;
use crate::store::{LogStore, SnapshotFile};
use crate::types::{LogId, Raft};

/// How often. A scraper comes less often than that.
const EVERY: Duration = Duration::from_secs(1);

/// What is looked at.
pub(super) struct Meter {
    pub(super) raft: Raft,
    pub(super) replica: Replica,
    pub(super) log: LogStore,
    pub(super) snapshot: Arc<SnapshotFile>,
    pub(super) door: Arc<Door>,
}

/// Runs until `stop` is cancelled.
pub(super) async fn run(meter: Meter, stop: CancellationToken) {
    metering::describe();
    let (mut newest, mut since) = (meter.snapshot.newest(), Instant::now());
    loop {
        if meter.snapshot.newest() != newest {
            (newest, since) = (meter.snapshot.newest(), Instant::now());
        }
        meter.look();
        let age = Instant::now().saturating_duration_since(since).as_secs();
        set(metering::SNAPSHOT_AGE, if newest.is_some() { age } else { 0 });
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    set(metering::SERVES, 0);
}

impl Meter {
    fn look(&self) {
        let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
        {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let (last, applied) = (metrics.last_log_index.unwrap_or(0), index(metrics.last_applied));
            set(metering::LEADER, metrics.current_leader.unwrap_or(0));
            set(metering::TERM, metrics.current_term);
            set(metering::MEMBERS, metrics.membership_config.membership().voter_ids().count() as u64);
            set(metering::LAST, last);
            set(metering::COMMITTED, index(metrics.local_committed));
            set(metering::APPLIED, applied);
            set(metering::LAG, last.saturating_sub(applied));
            set(metering::ENTRIES, last.saturating_sub(index(metrics.purged)));
        }
        set(metering::SERVES, u64::from(self.replica.serving().is_some()));
        let totals = self.replica.totals();
        set(metering::SESSIONS, totals.sessions);
        set(metering::ELECTIONS, totals.elections);
        set(metering::CANDIDACIES, totals.candidacies);
        set(metering::CONNECTIONS, self.door.clients() as u64);
        set(metering::SNAPSHOT_INDEX, index(self.snapshot.newest()));
        // What cannot be measured keeps its last value: the disk's trouble is told elsewhere.
        if let Ok(bytes) = self.log.bytes_on_disk() {
            set(metering::DATABASE, bytes);
        }
        if let Ok(bytes) = self.snapshot.bytes_on_disk() {
            set(metering::SNAPSHOT_BYTES, bytes);
        }
    }
}
