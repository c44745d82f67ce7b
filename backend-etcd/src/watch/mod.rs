//! Watches: one gRPC stream for all that this process watches.

mod hub;
mod sentinel;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use etcd_client::{EventType, WatchFilterType, WatchOptions, WatchResponse};

pub(crate) use hub::{Hub, Watcher};
pub(crate) use sentinel::Sentinel;

/// What to watch.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) key: Vec<u8>,
    pub(crate) extent: Extent,
    /// The first revision of interest; 0 for "from now on".
    ///
    /// A revision that the server has passed already is served by a loop that sleeps 100 ms; "from now on" is
    /// not, but whoever asks for it must look, each time it is watching, what has happened before.
    pub(crate) from: i64,
    pub(crate) deletes_only: bool,
}

/// How far a watch reaches from its key.
#[derive(Debug, Clone)]
pub(crate) enum Extent {
    /// The key alone.
    Key,
    /// All keys that begin with it.
    Prefix,
    /// All keys up to this one, itself included. A watch tells what it sees in the order of revisions; two watches
    /// do not wait for each other.
    Through(Vec<u8>),
}

impl Spec {
    fn options(&self, id: i64, from: i64) -> WatchOptions {
        let mut options = WatchOptions::new().with_watch_id(id).with_start_revision(from);
        options = match &self.extent {
            Extent::Key => options,
            Extent::Prefix => options.with_prefix(),
            // The smallest key after it.
            Extent::Through(last) => options.with_range([last.as_slice(), &[0]].concat()),
        };
        if self.deletes_only {
            options = options.with_filters([WatchFilterType::NoPut]);
        }
        options
    }
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// The server watches: whatever happens after this revision is told. Said again after an interruption, across
    /// which a watch that has a first revision misses nothing; one from now on begins there again.
    Watching(i64),
    Changes(Vec<Change>),
    /// The stream broke; the hub is opening another one.
    Interrupted,
    /// What came next was compacted away: the watch is over, look and watch anew.
    Compacted,
    /// The server refuses this watch: it is over.
    Refused(Arc<str>),
}

/// A change of one key.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    /// When it happened.
    pub(crate) revision: i64,
    /// `None` if the key was deleted.
    pub(crate) put: Option<Put>,
}

/// The state of a key after a put.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) created: i64,
    pub(crate) value: Bytes,
}

fn changes(answer: &WatchResponse) -> Vec<Change> {
    let change = |event: &etcd_client::Event| {
        let kv = event.kv()?;
        let put = match event.event_type() {
            EventType::Put => {
                Some(Put { created: kv.create_revision(), value: Bytes::copy_from_slice(kv.value()) })
            }
            EventType::Delete => None,
        };
        Some(Change { key: kv.key().to_vec(), revision: kv.mod_revision(), put })
    };
    answer.events().iter().filter_map(change).collect()
}
