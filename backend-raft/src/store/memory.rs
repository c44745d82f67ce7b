//! The log's newest part, in memory.

use std::collections::VecDeque;
use std::io;

use openraft::entry::RaftEntry;

use crate::types::{Entry, LogId, Vote};

/// How many bytes of flushed entries stay in memory for followers that are a little behind.
const TAIL_BYTES: usize = 8 * 1024 * 1024;

/// What is known without asking the disk.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    /// That the node was removed from its group, and an id that was free then.
    pub(super) removal: Option<u64>,
    /// The newest entries, without a gap, and their sizes: all that are not on disk yet, and some that are.
    pub(super) tail: VecDeque<(Entry, usize)>,
    tail_bytes: usize,
    /// Everything up to here is on disk.
    pub(super) flushed: Option<u64>,
}

impl Memory {
    /// The index of the first entry of the tail; one past the end if it is empty.
    pub(super) fn tail_start(&self) -> u64 {
        self.tail.front().map_or_else(|| self.last.map_or(0, |id| id.index + 1), |(entry, _)| entry.index())
    }

    /// Takes in an entry that was found on disk under `index`: the next one, without a gap.
    pub(super) fn found(&mut self, index: u64, id: LogId) -> io::Result<()> {
        let expected = self.last.map(|last| last.index + 1);
        if id.index != index || expected.is_some_and(|expected| expected != index) || Some(id) < self.last {
            let why = format!("found log entry {id} under index {index} after {:?}", self.last);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        self.last = Some(id);
        self.flushed = Some(index);
        Ok(())
    }

    /// Adds an entry that is not on disk yet.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.last = Some(entry.log_id());
        self.tail_bytes += bytes;
        self.tail.push_back((entry, bytes));
    }

    /// Notes that everything up to `index` is on disk and frees what need not be kept.
    pub(super) fn flushed(&mut self, index: u64) {
        self.flushed = self.flushed.max(Some(index));
        while self.tail_bytes > TAIL_BYTES
            && let Some((first, _)) = self.tail.front()
            && Some(first.index()) <= self.flushed
        {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, bytes)) = self.tail.pop_front() {
            self.tail_bytes -= bytes;
        }
    }

    /// Forgets the entries from `from` on; `last` is then the last one.
    pub(super) fn truncate(&mut self, from: u64, last: Option<LogId>) {
        while let Some((last, bytes)) = self.tail.back()
            && last.index() >= from
        {
            self.tail_bytes -= bytes;
            self.tail.pop_back();
        }
        self.flushed = self.flushed.min(from.checked_sub(1));
        // Truncating beyond the end moves nothing.
        if self.last.is_some_and(|id| id.index >= from) {
            self.last = last.max(self.purged);
        }
    }

    /// Forgets the entries up to and including `upto`.
    pub(super) fn purge(&mut self, upto: LogId) {
        self.purged = self.purged.max(Some(upto));
        self.last = self.last.max(Some(upto));
        while let Some((first, _)) = self.tail.front()
            && first.index() <= upto.index
        {
            self.drop_first();
        }
    }
}
