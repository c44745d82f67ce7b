//! [`Names`]: the names of an elector's records, of which one is used again and again.
//!
//! Etcd remembers every name that ever existed until it compacts, which by default it never does, and a look at
//! the queue passes over each of them: with a new name per campaign, the campaigns of a busy election become
//! slower and slower (by a tenth of a microsecond for each that was before, in the one thread that applies).
//!
//! A name is used again only if no request that names it can be under way: its creation and its removal were one
//! request each, and both were answered. So whatever has a name is still one candidacy's record and no
//! successor's, from its create revision on. A watch may begin before that revision, and may tell of the end of
//! the record that had the name before: whoever watches a name compares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use election_core::CandidateId;

use crate::keys;

/// Shared by the campaigns of one elector.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Option<Name>>);

/// A record's name: nobody else has it until it is given back.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) key: Vec<u8>,
    lease: i64,
    id: CandidateId,
}

impl Names {
    /// The name that was given back last if it tells the same, else a new one.
    pub(crate) fn take(&self, prefix: &[u8], lease: i64, id: &CandidateId) -> Name {
        let spare = self.spare().take().filter(|name| name.lease == lease && name.id == *id);
        spare.unwrap_or_else(|| Name { key: keys::record(prefix, lease, id), lease, id: id.clone() })
    }

    /// For the next one to take; only when no request that names it can be under way.
    pub(crate) fn give_back(&self, name: Name) {
        *self.spare() = Some(name);
    }

    fn spare(&self) -> MutexGuard<'_, Option<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_user_at_a_time_and_tells_lease_and_candidate() {
        let (names, prefix) = (Names::default(), b"/election/billing/");
        let [a, b] = ["a", "b"].map(|id| CandidateId::new(id).unwrap());
        let first = names.take(prefix, 1, &a);
        let second = names.take(prefix, 1, &a);
        assert_ne!(first.key, second.key);
        let key = first.key.clone();
        names.give_back(first);
        let again = names.take(prefix, 1, &a);
        assert_eq!(again.key, key);
        assert_ne!(names.take(prefix, 1, &a).key, key);
        names.give_back(again);
        assert_ne!(names.take(prefix, 1, &b).key, key, "another candidate");
        names.give_back(second);
        assert!(names.take(prefix, 2, &a).key.starts_with(b"/election/billing/2-"), "another lease");
    }
}
