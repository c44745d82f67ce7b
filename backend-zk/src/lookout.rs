//! [`Lookout`]: how the many records of one session are watched over.
//!
//! After a reconnect the client sets its watches again, and fails when their paths fill more than one frame of
//! 128 KiB: the frames share one request id, so the second answer matches nothing, and it reconnects until the
//! session has expired (zookeeper-client 0.11.2, `send_and_clear_watches`). So watches of leaders are set up to a
//! budget; the records beyond it are looked for with each renewal, by one request for all of them. Waiting candidates
//! and observers cannot do without, and are refused where there is no room left.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use election_core::{Error, Kind, LeadershipHandle, Operation, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use zookeeper_client as zk;

use crate::candidacy::depose;
use crate::error::BACKEND;

/// Bytes of paths in all watches up to which leaders may have one, about six hundred of them.
const BUDGET: usize = 64 * 1024;

/// The same for candidates that begin to wait. Those that wait already may need a little more, when the one ahead is
/// another, whose name is longer.
const LIMIT: usize = 112 * 1024;

/// The same for elections that begin to be observed.
const OBSERVED: usize = 120 * 1024;

#[derive(Default)]
pub(crate) struct Lookout {
    used: Arc<AtomicUsize>,
    unwatched: Mutex<HashMap<Arc<str>, LeadershipHandle>>,
}

/// Room for the path of one watch.
pub(crate) struct Room {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A watch that is set. Dropping it takes the watch back.
pub(crate) struct Event {
    pub(crate) changed: BoxFuture<'static, zk::WatchedEvent>,
    _room: Room,
}

impl Event {
    pub(crate) fn new(watcher: zk::OneshotWatcher, room: Room) -> Self {
        Self { changed: watcher.changed().boxed(), _room: room }
    }
}

impl Lookout {
    /// Room for a watch that a waiting candidate cannot do without. Who waits already is not refused: a place in the
    /// line is kept.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the session has too many watches.
    pub(crate) fn wait(&self, path: &str, waits_already: bool) -> Result<Room> {
        let limit = if waits_already { usize::MAX } else { LIMIT };
        self.room_below(path, limit).ok_or_else(|| full(Operation::Campaign, LIMIT))
    }

    /// Room for the watch of an election that is observed.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the session has too many watches.
    pub(crate) fn observe(&self, path: &str) -> Result<Room> {
        self.room_below(path, OBSERVED).ok_or_else(|| full(Operation::Observe, OBSERVED))
    }

    /// Whether leaders should do without watches.
    pub(crate) fn is_crowded(&self) -> bool {
        self.used.load(Ordering::Relaxed) > BUDGET
    }

    /// Room for a watch, if the budget has it.
    pub(crate) fn room(&self, path: &str) -> Option<Room> {
        self.room_below(path, BUDGET)
    }

    fn room_below(&self, path: &str, limit: usize) -> Option<Room> {
        let used = self.used.fetch_add(path.len(), Ordering::Relaxed) + path.len();
        // The room that is not used is given back by its drop.
        Some(Room { used: self.used.clone(), bytes: path.len() }).filter(|_| used <= limit)
    }

    /// Has the record of a leadership looked for with each renewal.
    pub(crate) fn look_for(&self, path: Arc<str>, leadership: LeadershipHandle) {
        self.unwatched().insert(path, leadership);
    }

    /// Deposes the leaders whose records are gone, among those that have no watch.
    pub(crate) async fn look(&self, client: &zk::Client, root: &str) -> Result<(), zk::Error> {
        // Records that come after the request are not in its answer.
        let expected: Vec<Arc<str>> = {
            let mut unwatched = self.unwatched();
            // Also where the request below is refused: servers before 3.6 do not know it.
            unwatched.retain(|_, leadership| leadership.check().is_ok());
            unwatched.keys().cloned().collect()
        };
        if expected.is_empty() {
            return Ok(());
        }
        let present: HashSet<String> = client.list_ephemerals(root).await?.into_iter().collect();
        let mut unwatched = self.unwatched();
        for path in expected.iter().filter(|path| !present.contains(&***path)) {
            if let Some(leadership) = unwatched.remove(path) {
                depose(&leadership);
            }
        }
        Ok(())
    }

    fn unwatched(&self) -> MutexGuard<'_, HashMap<Arc<str>, LeadershipHandle>> {
        self.unwatched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(operation: Operation, limit: usize) -> Error {
    Error::new(Kind::InvalidConfig, operation).backend(BACKEND).message(format!(
        "the paths that this process watches, where it waits, leads or observes, fill {limit} bytes, and more could not \
         be set again after a reconnect: use another coordinator for some of the elections, or shorter names"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_limited_and_given_back() {
        let lookout = Lookout::default();
        let path = "x".repeat(BUDGET / 2);
        let first = lookout.room(&path).unwrap();
        let _second = lookout.room(&path).unwrap();
        assert!(lookout.room("x").is_none());
        // Waiting candidates get it nevertheless, up to a limit of their own.
        let waiting = lookout.wait(&"x".repeat(LIMIT - BUDGET), false).unwrap();
        let refused = lookout.wait("x", false).map(drop).unwrap_err();
        assert!(refused.to_string().contains("another coordinator"), "{refused}");
        lookout.wait("x", true).unwrap();
        let observing = lookout.observe(&"x".repeat(OBSERVED - LIMIT)).unwrap();
        assert!(lookout.observe("x").is_err() && lookout.is_crowded());
        drop((waiting, observing));
        drop(first);
        assert!(lookout.room("x").is_some());
    }
}
