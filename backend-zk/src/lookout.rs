//! [`Lookout`]: how the many records of one session are watched over.
//!
//! After a reconnect the client sets its watches again, and fails when their paths fill more than one frame of
//! 128 KiB: the frames share one request id, so the second answer matches nothing, and it reconnects until the
//! session has expired (zookeeper-client 0.11.2, `send_and_clear_watches`). So watches of leaders are set up to a
//! budget; the records beyond it are looked for with each renewal, by one request for all of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use election_core::LeadershipHandle;
use futures::FutureExt;
use futures::future::BoxFuture;
use zookeeper_client as zk;

use crate::candidacy::depose;

/// Bytes of paths in the watches of leaders, about six hundred of them; the rest of the 128 KiB is for waiting
/// candidates and observers, who cannot do without.
const BUDGET: usize = 64 * 1024;

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
    /// Room for a watch that cannot be done without.
    pub(crate) fn take_room(&self, path: &str) -> Room {
        self.used.fetch_add(path.len(), Ordering::Relaxed);
        Room { used: self.used.clone(), bytes: path.len() }
    }

    /// Room for a watch, if the budget has it.
    pub(crate) fn room(&self, path: &str) -> Option<Room> {
        // The room that is not used is given back by its drop.
        Some(self.take_room(path)).filter(|_| self.used.load(Ordering::Relaxed) <= BUDGET)
    }

    /// Has the record of a leadership looked for with each renewal.
    pub(crate) fn look_for(&self, path: Arc<str>, leadership: LeadershipHandle) {
        self.unwatched().insert(path, leadership);
    }

    /// Deposes the leaders whose records are gone, among those that have no watch.
    pub(crate) async fn look(&self, client: &zk::Client, root: &str) -> Result<(), zk::Error> {
        // Records that come after the request are not in its answer.
        let expected: Vec<Arc<str>> = self.unwatched().keys().cloned().collect();
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
        // Waiting candidates get it nevertheless.
        drop(lookout.take_room("x"));
        drop(first);
        assert!(lookout.room("x").is_some());
    }
}
