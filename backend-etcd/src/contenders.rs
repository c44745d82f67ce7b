//! [`Contenders`]: the records of one election as a watch on its prefix shows them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use election_core::{FencingToken, Leader};
use etcd_client::KeyValue;

use crate::keys;
use crate::watch::{Change, Put};

/// The largest value that is kept for a candidate who only waits. A larger one is read when it is elected.
const KEPT_VALUE: usize = 4096;

/// All records of an election: the one with the smallest create revision leads.
#[derive(Debug, Default)]
pub(crate) struct Contenders {
    prefix: Vec<u8>,
    /// By create revision and key: a foreign transaction may create several at once.
    queue: BTreeMap<(i64, Vec<u8>), Option<Bytes>>,
    created: HashMap<Vec<u8>, i64>,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    Nobody,
    Leader(Leader),
    /// The value of this record was too large to keep.
    Unread {
        key: Vec<u8>,
        created: i64,
    },
}

impl Contenders {
    /// The records of one look: `first` with their values, `all` without.
    pub(crate) fn new(prefix: Vec<u8>, first: &[KeyValue], all: &[KeyValue]) -> Self {
        let mut contenders = Self { prefix, ..Self::default() };
        for kv in all {
            contenders.insert(kv.key(), kv.create_revision(), None);
        }
        for (place, kv) in first.iter().enumerate() {
            let keep = place == 0 || kv.value().len() <= KEPT_VALUE;
            contenders.insert(
                kv.key(),
                kv.create_revision(),
                keep.then(|| Bytes::copy_from_slice(kv.value())),
            );
        }
        contenders
    }

    fn insert(&mut self, key: &[u8], created: i64, value: Option<Bytes>) {
        // A key that was deleted and created again between two looks.
        if let Some(old) = self.created.insert(key.to_vec(), created)
            && old != created
        {
            self.queue.remove(&(old, key.to_vec()));
        }
        self.queue.insert((created, key.to_vec()), value);
    }

    /// Takes in a change; changes come in the order of their revisions.
    pub(crate) fn apply(&mut self, change: Change) {
        match change.put {
            Some(Put { created, value }) => {
                let leads = self.queue.keys().next().is_none_or(|(first, _)| *first >= created);
                let keep = leads || value.len() <= KEPT_VALUE;
                self.insert(&change.key, created, keep.then_some(value));
            }
            None => {
                if let Some(created) = self.created.remove(&change.key) {
                    self.queue.remove(&(created, change.key));
                }
            }
        }
    }

    pub(crate) fn head(&self) -> Head {
        match self.queue.first_key_value() {
            None => Head::Nobody,
            Some(((created, key), None)) => Head::Unread { key: key.clone(), created: *created },
            Some(((created, key), Some(value))) => {
                Head::Leader(leader(&self.prefix, key, *created, value.clone()))
            }
        }
    }
}

/// A record as observers see it.
pub(crate) fn leader(prefix: &[u8], key: &[u8], created: i64, value: Bytes) -> Leader {
    Leader { id: keys::candidate_id(prefix, key), value, token: FencingToken::new(created.unsigned_abs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, created: i64, revision: i64, value: &[u8]) -> Change {
        let value = Bytes::copy_from_slice(value);
        Change { key: key.into(), revision, put: Some(Put { created, value }) }
    }

    fn deleted(key: &str, revision: i64) -> Change {
        Change { key: key.into(), revision, put: None }
    }

    fn token(contenders: &Contenders) -> Option<u64> {
        match contenders.head() {
            Head::Leader(leader) => Some(leader.token.get()),
            Head::Nobody | Head::Unread { .. } => None,
        }
    }

    #[test]
    fn the_oldest_record_leads_whatever_its_name() {
        let mut contenders = Contenders::default();
        assert_eq!(contenders.head(), Head::Nobody);
        contenders.apply(put("z", 5, 5, b"first"));
        contenders.apply(put("a", 6, 6, b"second"));
        // A move to another lease changes the record, not its place.
        contenders.apply(put("z", 5, 7, b"first"));
        assert_eq!(token(&contenders), Some(5));
        contenders.apply(deleted("z", 8));
        assert_eq!(token(&contenders), Some(6));
        contenders.apply(deleted("a", 9));
        contenders.apply(deleted("a", 9));
        assert_eq!(contenders.head(), Head::Nobody);
    }

    #[test]
    fn a_record_that_is_created_again_goes_to_the_end() {
        let mut contenders = Contenders::default();
        contenders.apply(put("a", 5, 5, b""));
        contenders.apply(put("b", 6, 6, b""));
        contenders.apply(put("a", 9, 9, b""));
        assert_eq!(token(&contenders), Some(6));
    }

    #[test]
    fn a_large_value_of_a_waiting_candidate_is_read_later() {
        let mut contenders = Contenders::default();
        contenders.apply(put("a", 5, 5, &[0; KEPT_VALUE + 1]));
        assert_eq!(token(&contenders), Some(5));
        contenders.apply(put("b", 6, 6, &[0; KEPT_VALUE + 1]));
        contenders.apply(deleted("a", 7));
        assert_eq!(contenders.head(), Head::Unread { key: b"b".to_vec(), created: 6 });
    }
}
