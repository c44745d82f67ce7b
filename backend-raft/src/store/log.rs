//! The log as openraft sees it: in memory at once, on disk when acknowledged.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::acknowledged::Acknowledged;
use super::database::to_io;
use super::directory::Directory;
use super::identity::Incarnation;
use super::memory::Memory;
use super::row;
use super::writer::{self, Failure, Job, LOG, MARKS, Writer};
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// The most bytes of entries handed out at once, so that a batch fits into a message.
const BATCH_BYTES: usize = 1024 * 1024;

/// Vote and log of a node.
#[derive(Clone)]
pub(crate) struct LogStore {
    database: Arc<Database>,
    memory: Arc<Mutex<Memory>>,
    jobs: UnboundedSender<Job>,
    failure: Arc<OnceLock<Failure>>,
    /// Keeps the data directory from other processes for as long as the log is in use.
    directory: Arc<dyn Directory>,
}

impl LogStore {
    /// Reads the marks and all of the log, so that damage is found now, and starts the writer.
    pub(super) fn open(
        database: Arc<Database>,
        acknowledged: Acknowledged,
        directory: Arc<dyn Directory>,
        failure: Arc<OnceLock<Failure>>,
    ) -> io::Result<Self> {
        let mut memory = Memory::default();
        let transaction = database.begin_read().map_err(to_io)?;
        match transaction.open_table(MARKS) {
            Ok(marks) => {
                let row = |key: &str| marks.get(key).map_err(to_io);
                memory.vote = row("vote")?.map(|row| row::decode(row.value())).transpose()?;
                memory.committed = row("committed")?.map(|row| row::decode(row.value())).transpose()?;
                memory.purged = row("purged")?.map(|row| row::decode(row.value())).transpose()?;
                memory.removal = row("removed")?.map(|row| row::decode(row.value())).transpose()?;
                memory.last = memory.purged;
            }
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(to_io(error)),
        }
        match transaction.open_table(LOG) {
            Ok(log) => {
                for row in log.iter().map_err(to_io)? {
                    let (index, row) = row.map_err(to_io)?;
                    memory.found(index.value(), row::decode::<Entry>(row.value())?.log_id())?;
                }
            }
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(to_io(error)),
        }
        let jobs =
            writer::start(Writer { database: database.clone(), acknowledged, failure: failure.clone() })?;
        Ok(Self { database, memory: Arc::new(Mutex::new(memory)), jobs, failure, directory })
    }

    /// Up to where the log was purged.
    pub(super) fn purged(&self) -> Option<LogId> {
        self.lock().purged
    }

    /// Why the disk, for the log or for snapshots, cannot be written any more, if that is so.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// How long the file of the database is.
    pub(crate) fn bytes_on_disk(&self) -> io::Result<u64> {
        Ok(self.directory.len(super::DATABASE)?.unwrap_or(0))
    }

    /// Notes, on disk, that this node was removed from its group, and an id that was free then.
    pub(crate) async fn note_removal(&self, free: u64) -> io::Result<()> {
        let row = row::encode(&free)?;
        self.durable(|done| Job::Mark { key: "removed", row, done }).await?;
        self.lock().removal = Some(free);
        Ok(())
    }

    /// Whether this node was removed from its group: then, an id that was free at that time.
    pub(crate) fn removal(&self) -> Option<u64> {
        self.lock().removal
    }

    /// Whether nothing was ever voted or logged.
    pub(crate) fn is_pristine(&self) -> bool {
        let memory = self.lock();
        memory.vote.is_none() && memory.last.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, job: Job) -> io::Result<()> {
        self.jobs.send(job).map_err(|_| io::Error::other("the thread that writes the log has ended"))
    }

    /// Submits a job and waits until it is on disk.
    async fn durable<T>(&self, job: impl FnOnce(oneshot::Sender<io::Result<T>>) -> Job) -> io::Result<T> {
        let (done, result) = oneshot::channel();
        self.submit(job(done))?;
        result.await.map_err(|_| io::Error::other("the thread that writes the log has ended"))?
    }

    /// Whether `incarnation` is the first one ever seen of `peer`. Remembers it, on disk, if none was.
    pub(crate) async fn recognise(&self, peer: u64, incarnation: Incarnation) -> io::Result<bool> {
        self.durable(|done| Job::Recognise { peer, incarnation, done }).await
    }

    /// The entries from `start` up to but not including `end`: as many as fit into `limit` bytes, and one
    /// more.
    async fn read(&self, start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        let (start, tail_start, tail) = {
            let memory = self.lock();
            let start = start.max(memory.purged.map_or(0, |id| id.index + 1));
            let tail_start = memory.tail_start();
            let skip = usize::try_from(start.saturating_sub(tail_start)).unwrap_or(usize::MAX);
            let wanted = memory.tail.iter().skip(skip).take_while(|(entry, _)| entry.index() < end);
            (start, tail_start, within(wanted.cloned(), limit))
        };
        let disk_end = end.min(tail_start);
        let sized = if start < disk_end {
            let database = self.database.clone();
            let read = move || read_disk(&database, start..disk_end, limit);
            let disk = crate::blocking::run(read).await?;
            // If the limit has cut the first part short, it cuts before the second: no hole.
            within(disk.into_iter().chain(tail), limit)
        } else {
            tail
        };
        Ok(sized.into_iter().map(|(entry, _)| entry).collect())
    }
}

/// An entry and its size on disk.
type Sized = (Entry, usize);

/// As many entries as fit into `limit` bytes and one more: so that a second cut at the same limit finds out
/// that the first one was cut. At least one.
fn within(entries: impl Iterator<Item = Sized>, limit: usize) -> Vec<Sized> {
    let mut bytes = 0usize;
    let mut some = Vec::new();
    for entry in entries {
        bytes = bytes.saturating_add(entry.1);
        some.push(entry);
        if bytes > limit {
            break;
        }
    }
    some
}

fn read_disk(database: &Database, range: std::ops::Range<u64>, limit: usize) -> io::Result<Vec<Sized>> {
    let transaction = database.begin_read().map_err(to_io)?;
    let log = match transaction.open_table(LOG) {
        Ok(log) => log,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(to_io(error)),
    };
    let mut failure = None;
    let rows = log.range(range).map_err(to_io)?.map_while(|row| {
        let decoded = row.map_err(to_io).and_then(|(_, row)| {
            let bytes = row.value();
            Ok((row::decode::<Entry>(bytes)?, bytes.len()))
        });
        decoded.map_err(|error| failure = Some(error)).ok()
    });
    let some = within(rows, limit);
    failure.map_or(Ok(some), Err)
}

/// The half-open range of indices that a `RangeBounds` means.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, BATCH_BYTES).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.lock().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let memory = self.lock();
        Ok(LogState { last_purged_log_id: memory.purged, last_log_id: memory.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let row = row::encode(vote)?;
        self.durable(|done| Job::Mark { key: "vote", row, done }).await?;
        self.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.lock().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = Vec::new();
        let mut memory = self.lock();
        // The commit index rides along for nothing. It only tells how far a restart may apply at once, so it
        // is not worth an fsync of its own.
        let committed = memory.committed.map(|committed| row::encode(&committed)).transpose()?;
        for entry in entries {
            let row = row::encode(&entry)?;
            let bytes = row.len();
            rows.push((entry.index(), row));
            memory.push(entry, bytes);
        }
        drop(memory);
        let last = rows.last().map(|(index, _)| *index);
        let memory = self.memory.clone();
        let done = Box::new(move || {
            if let Some(last) = last {
                memory.lock().unwrap_or_else(PoisonError::into_inner).flushed(last);
            }
        });
        self.submit(Job::Append { rows, committed, flushed, done })
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |id| id.index + 1);
        // Awaited, so that the flush of an older append cannot be taken for that of a newer entry with the
        // same index.
        self.durable(|done| Job::Truncate { from, done }).await?;
        self.lock().truncate(from, last);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let row = row::encode(&upto)?;
        self.durable(|done| Job::Purge { upto: upto.index, row, done }).await?;
        self.lock().purge(upto);
        Ok(())
    }
}
