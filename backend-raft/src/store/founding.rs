//! Data directories of a group that begins with a snapshot instead of with its first log entry.

use std::path::Path;

use bytes::Bytes;
use redb::Database;

use super::directory::{Directory, RealDirectory};
use super::error::StoreError;
use super::identity::{self, Identity, Incarnation};
use super::snapshot::SnapshotFile;
use super::writer::{LOG, MARKS};
use super::{DATABASE, Store, UNFINISHED, database, row};
use crate::types::SnapshotMeta;

impl Store {
    /// Makes the data directory of a member that has this snapshot, whose log begins after it, and that knows
    /// `peers` by their data directories: an older life of one of them is a stranger to it.
    pub(crate) fn found(
        path: &Path,
        identity: &Identity,
        peers: impl Iterator<Item = (u64, Incarnation)>,
        meta: &SnapshotMeta,
        snapshot: &Bytes,
    ) -> Result<(), StoreError> {
        let directory = RealDirectory::open(path)?;
        let io = |error| StoreError::database(&directory, error);
        let database = database::open(&directory, UNFINISHED, true)?;
        let written = write(&database, identity, peers, meta);
        written.map_err(|error| io(database::to_io(error)))?;
        database.close().map_err(|error| io(database::to_io(error)))?;
        directory.rename(UNFINISHED, DATABASE).map_err(io)?;
        let file = SnapshotFile::open(std::sync::Arc::new(directory), std::sync::Arc::default())?;
        // It syncs the directory, and with it the name of the database.
        file.save(meta, snapshot).map_err(|error| StoreError::io(path, error))
    }
}

fn write(
    database: &Database,
    identity: &Identity,
    peers: impl Iterator<Item = (u64, Incarnation)>,
    meta: &SnapshotMeta,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    identity::write(&transaction, identity, peers)?;
    transaction.open_table(LOG)?;
    let mut marks = transaction.open_table(MARKS)?;
    if let Some(last) = &meta.last_log_id {
        marks.insert("purged", row::encode(last).map_err(redb::Error::Io)?.as_slice())?;
    }
    drop(marks);
    transaction.commit()?;
    Ok(())
}
