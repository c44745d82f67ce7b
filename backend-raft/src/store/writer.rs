//! The one thread that writes the log.

use std::io;
use std::sync::{Arc, OnceLock};

use election_core::clock::Instant;
use openraft::storage::IOFlushed;
use redb::{Database, TableDefinition, WriteTransaction};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::acknowledged::Acknowledged;
use super::database::to_io;
use super::identity::{self, Incarnation};
use crate::metering;
use crate::types::TypeConfig;

pub(super) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// Single records: `vote`, `committed`, `purged`, `removed`.
pub(super) const MARKS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("marks");

/// A change to be made durable, and whom to tell.
pub(super) enum Job {
    /// Adds entries, in order, and notes the record `committed` if there is one.
    Append {
        rows: Vec<(u64, Vec<u8>)>,
        committed: Option<Vec<u8>>,
        flushed: IOFlushed<TypeConfig>,
        done: Box<dyn FnOnce() + Send>,
    },
    /// Replaces a record of [`MARKS`].
    Mark { key: &'static str, row: Vec<u8>, done: oneshot::Sender<io::Result<()>> },
    /// Removes the entries from this index on.
    Truncate { from: u64, done: oneshot::Sender<io::Result<()>> },
    /// Removes the entries up to and including this index, and notes the record `purged`.
    Purge { upto: u64, row: Vec<u8>, done: oneshot::Sender<io::Result<()>> },
    /// Compares a peer's incarnation with the first one seen. Not part of a batch: it is rare.
    Recognise { peer: u64, incarnation: Incarnation, done: oneshot::Sender<io::Result<bool>> },
}

/// Why nothing can be written any more. Kept as kind and text because every job that follows gets a copy.
pub(crate) type Failure = (io::ErrorKind, String);

/// What the thread owns.
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) acknowledged: Acknowledged,
    /// Shared with whoever wants to know why the node stops.
    pub(super) failure: Arc<OnceLock<Failure>>,
}

/// Starts the thread. It ends when every sender is gone, after it has written what was queued.
pub(super) fn start(mut writer: Writer) -> io::Result<UnboundedSender<Job>> {
    let (jobs, mut queue) = unbounded_channel();
    #[cfg(feature = "sim")]
    if let Some(host) = crate::sim::host() {
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while queue.recv_many(&mut batch, usize::MAX).await > 0 {
                tokio::time::sleep(host.disk_delay()).await;
                writer.serve(&mut batch);
            }
        });
        return Ok(jobs);
    }
    std::thread::Builder::new().name("raft-log".into()).spawn(move || {
        let mut batch = Vec::new();
        // Everything that has queued up during the last fsync shares the next one.
        while queue.blocking_recv_many(&mut batch, usize::MAX) > 0 {
            writer.serve(&mut batch);
        }
    })?;
    Ok(jobs)
}

impl Writer {
    /// Makes a batch durable and tells those who wait.
    fn serve(&mut self, batch: &mut Vec<Job>) {
        // After the first failure nothing is written any more: what was not acknowledged must not be
        // followed by what is.
        let result = match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            None => self.write(batch).map_err(|error| {
                tracing::error!(%error, "cannot write the Raft log: this node stops");
                self.failure.get_or_init(|| (error.kind(), error.to_string())).clone()
            }),
        };
        for job in batch.drain(..) {
            self.acknowledge(job, &result);
        }
    }

    /// Writes a batch in one transaction; on return it is on disk.
    fn write(&mut self, batch: &[Job]) -> io::Result<()> {
        if batch.iter().all(|job| matches!(job, Job::Recognise { .. })) {
            return Ok(());
        }
        #[cfg_attr(not(zoo), expect(unused_mut, reason = "a planted defect changes it"))]
        let mut transaction = self.database.begin_write().map_err(to_io)?;
        #[cfg(zoo)]
        if election_core::zoo::planted("raft-vote-without-fsync") {
            transaction
                .set_durability(redb::Durability::None)
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        apply(&transaction, batch).map_err(to_io)?;
        self.acknowledged.number(&transaction).map_err(to_io)?;
        // redb's default durability: one fsync, and a checksum that tells a torn commit.
        let begun = Instant::now();
        transaction.commit().map_err(to_io)?;
        metering::fsync(Instant::now().saturating_duration_since(begun), batch.len());
        self.acknowledged.note()
    }

    fn acknowledge(&mut self, job: Job, result: &Result<(), Failure>) {
        let result = result.clone().map_err(|(kind, why)| io::Error::new(kind, why));
        // Whoever no longer waits for an answer does not need it.
        match job {
            Job::Append { flushed, done, .. } => {
                done();
                flushed.io_completed(result);
            }
            Job::Mark { done, .. } | Job::Truncate { done, .. } | Job::Purge { done, .. } => {
                done.send(result).ok();
            }
            Job::Recognise { peer, incarnation, done } => {
                let known = result.and_then(|()| {
                    identity::recognise(&self.database, &mut self.acknowledged, peer, incarnation)
                });
                done.send(known).ok();
            }
        }
    }
}

fn apply(transaction: &WriteTransaction, batch: &[Job]) -> Result<(), redb::Error> {
    let mut log = transaction.open_table(LOG)?;
    let mut marks = transaction.open_table(MARKS)?;
    for job in batch {
        match job {
            Job::Append { rows, committed, .. } => {
                for (index, row) in rows {
                    log.insert(index, row.as_slice())?;
                }
                if let Some(row) = committed {
                    marks.insert("committed", row.as_slice())?;
                }
            }
            Job::Mark { key, row, .. } => {
                marks.insert(key, row.as_slice())?;
            }
            Job::Truncate { from, .. } => log.retain_in::<u64, _>(*from.., |_, _| false)?,
            Job::Purge { upto, row, .. } => {
                marks.insert("purged", row.as_slice())?;
                log.retain_in::<u64, _>(..=*upto, |_, _| false)?;
            }
            Job::Recognise { .. } => {}
        }
    }
    Ok(())
}
