//! The newest snapshot, in a file of its own.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::directory::Directory;
use super::error::StoreError;
use super::row;
use super::writer::Failure;
use crate::types::{LogId, SnapshotMeta};

/// The newest snapshot.
pub(super) const SNAPSHOT: &str = "snapshot";
/// One that is being written.
const UNFINISHED: &str = "snapshot.new";

/// The file that holds the newest snapshot. It is replaced by rename, so that it is always whole: either the
/// old one or the new one.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    directory: Arc<dyn Directory>,
    /// Up to where the snapshot on disk goes. The lock also keeps two writers apart: one is built here while
    /// another may arrive from the Raft leader.
    newest: Mutex<Option<LogId>>,
    /// Shared with the log: why the disk cannot be written any more.
    failure: Arc<OnceLock<Failure>>,
}

impl SnapshotFile {
    /// Finds the snapshot in a data directory and reads it through once, so that damage is found at the
    /// start and not when it is needed.
    pub(super) fn open(
        directory: Arc<dyn Directory>,
        failure: Arc<OnceLock<Failure>>,
    ) -> Result<Self, StoreError> {
        let path = directory.path().join(SNAPSHOT);
        let file = Self { directory, newest: Mutex::new(None), failure };
        // Left by a crash in the middle of a save; it was never acknowledged.
        file.directory.remove(UNFINISHED).map_err(|error| StoreError::io(&path, error))?;
        let found = file.load().map_err(|error| StoreError::io(&path, error))?;
        *file.newest.lock().unwrap_or_else(PoisonError::into_inner) =
            found.and_then(|(meta, _)| meta.last_log_id);
        Ok(file)
    }

    /// Up to where the snapshot on disk goes.
    pub(crate) fn newest(&self) -> Option<LogId> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the file is; 0 if there is none.
    pub(crate) fn bytes_on_disk(&self) -> io::Result<u64> {
        Ok(self.directory.len(SNAPSHOT)?.unwrap_or(0))
    }

    /// Replaces the snapshot; on return it is on disk. An older one than what is there is passed over.
    pub(crate) fn save(&self, meta: &SnapshotMeta, snapshot: &Bytes) -> io::Result<()> {
        let saved = self.replace(meta, snapshot);
        if let Err(error) = &saved {
            tracing::error!(%error, "cannot write a snapshot: this node stops");
            self.failure.get_or_init(|| (error.kind(), error.to_string()));
        }
        saved
    }

    fn replace(&self, meta: &SnapshotMeta, snapshot: &Bytes) -> io::Result<()> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if meta.last_log_id < *newest {
            return Ok(());
        }
        let row = row::encode(&(meta, snapshot))?;
        self.directory.write(UNFINISHED, &row)?;
        self.directory.rename(UNFINISHED, SNAPSHOT)?;
        #[cfg(zoo)]
        if election_core::zoo::planted("raft-snapshot-name-not-synced") {
            *newest = meta.last_log_id;
            return Ok(());
        }
        // The rename itself is on disk only once the directory is.
        self.directory.sync()?;
        tracing::info!(bytes = row.len(), upto = ?meta.last_log_id.map(|id| id.index), "a snapshot is on disk");
        *newest = meta.last_log_id;
        Ok(())
    }

    /// Reads the snapshot, if there is one.
    pub(crate) fn load(&self) -> io::Result<Option<(SnapshotMeta, Bytes)>> {
        self.directory.read(SNAPSHOT)?.map(|row| row::decode(&row)).transpose()
    }
}
