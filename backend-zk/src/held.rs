//! [`Held`]: which records of a session somebody in this process holds.
//!
//! A record that nobody holds stands in everybody's way for as long as its session lives. We leave none; but servers
//! of 3.8.0 have been seen to lose a deletion that they had confirmed: after a change of their leader the record was
//! back, with its old `czxid` (ZOOKEEPER-4712 and its siblings). So after each reconnect the session looks for such.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record;

/// The records by their paths without the sequence: known before they are created.
#[derive(Default)]
pub(crate) struct Held(Mutex<HashSet<Arc<str>>>);

/// One record is held until this is dropped.
pub(crate) struct Hold {
    held: Arc<Held>,
    prefix: Arc<str>,
}

impl Held {
    pub(crate) fn hold(self: &Arc<Self>, prefix: Arc<str>) -> Hold {
        self.prefixes().insert(prefix.clone());
        Hold { held: self.clone(), prefix }
    }

    /// True for the record of a candidate that nobody holds.
    pub(crate) fn is_stray(&self, path: &str) -> bool {
        record::without_sequence(path).is_some_and(|prefix| !self.prefixes().contains(prefix))
    }

    fn prefixes(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.prefixes().remove(&self.prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_stray_unless_it_is_held() {
        let held = Arc::new(Held::default());
        let prefix = "/election/e/_c_c8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11-a-latch-";
        let path = format!("{prefix}0000000042");
        assert!(held.is_stray(&path));
        let hold = held.hold(prefix.into());
        assert!(!held.is_stray(&path));
        drop(hold);
        assert!(held.is_stray(&path));
        // The mark of the session, and what is no candidate's.
        assert!(!held.is_stray("/election/.sessions/0000000000000001"));
        assert!(!held.is_stray("/election/e/notes"));
    }
}
