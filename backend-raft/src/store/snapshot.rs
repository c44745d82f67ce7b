//! The newest snapshot, in a file of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::row;
use super::writer::Failure;
use crate::types::{LogId, SnapshotMeta};

/// The file that holds the newest snapshot. It is replaced by rename, so that it is always whole: either the
/// old one or the new one.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    dir: PathBuf,
    /// Up to where the snapshot on disk goes. The lock also keeps two writers apart: one is built here while
    /// another may arrive from the Raft leader.
    newest: Mutex<Option<LogId>>,
    /// Shared with the log: why the disk cannot be written any more.
    failure: Arc<OnceLock<Failure>>,
}

impl SnapshotFile {
    /// Finds the snapshot in a data directory and reads it through once, so that damage is found at the
    /// start and not when it is needed.
    pub(super) fn open(dir: &Path, failure: Arc<OnceLock<Failure>>) -> io::Result<Self> {
        let file = Self { dir: dir.into(), newest: Mutex::new(None), failure };
        // Left by a crash in the middle of a save; it was never acknowledged.
        match fs::remove_file(file.path("snapshot.new")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let newest = file.load()?.and_then(|(meta, _)| meta.last_log_id);
        *file.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(file)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
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
        let mut file = File::create(self.path("snapshot.new"))?;
        file.write_all(&row)?;
        file.sync_all()?;
        fs::rename(self.path("snapshot.new"), self.path("snapshot"))?;
        // The rename itself is on disk only once the directory is.
        File::open(&self.dir)?.sync_all()?;
        *newest = meta.last_log_id;
        Ok(())
    }

    /// Reads the snapshot, if there is one.
    pub(crate) fn load(&self) -> io::Result<Option<(SnapshotMeta, Bytes)>> {
        match fs::read(self.path("snapshot")) {
            Ok(row) => row::decode(&row).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
