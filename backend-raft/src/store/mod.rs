//! What a node keeps on disk: its identity, its vote, its log and its newest snapshot.
//!
//! ```text
//! <data>/raft.redb   identity, vote, log, the peers' incarnations: one redb database, locked while open
//! <data>/snapshot    the newest snapshot, replaced by rename
//! <data>/lock        held while the directory is in use
//! ```
//!
//! Vote and log are on disk (fsync) before anybody is told. One thread writes ([`writer`]): it takes all that
//! is waiting into one transaction, so that concurrent appends share one fsync.

mod error;
mod identity;
mod log;
mod memory;
pub(crate) mod row;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use redb::Database;

pub(crate) use error::StoreError;
pub(crate) use identity::{Identity, Incarnation};
pub(crate) use log::LogStore;
pub(crate) use snapshot::SnapshotFile;
pub(crate) use writer::Failure;

/// redb's cache. The log's tail is in memory anyway, so the database is hardly ever read.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The opened data directory of a node.
pub(crate) struct Store {
    /// Who this node is.
    pub(crate) identity: Identity,
    /// Vote and log.
    pub(crate) log: LogStore,
    /// The newest snapshot.
    pub(crate) snapshot: Arc<SnapshotFile>,
    /// Whether this node has voted or logged anything before.
    pub(crate) pristine: bool,
}

impl Store {
    /// Opens, or creates, the data directory of member `node` of `cluster`.
    pub(crate) fn open(dir: &Path, cluster: &str, node: u64) -> Result<Self, StoreError> {
        let io = |error| StoreError::database(dir, error);
        fs::create_dir_all(dir).map_err(io)?;
        let lock = File::create(dir.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: dir.into() }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let path = dir.join("raft.redb");
        if !path.try_exists().map_err(io)? {
            create(dir, cluster, node)?;
        }
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .open(&path)
            .map_err(|error| StoreError::open(&path, error))?;
        let mut store = Self::on(database, dir, cluster, node)?;
        store.log.keep(lock);
        Ok(store)
    }

    /// The same on a database that is open already: tests bring one whose disk fails.
    pub(crate) fn on(database: Database, dir: &Path, cluster: &str, node: u64) -> Result<Self, StoreError> {
        let path = dir.join("raft.redb");
        let database = Arc::new(database);
        let failed = |error| StoreError::database(&path, error);
        let identity = identity::load_or_create(&database, dir, cluster, node)?;
        let failure = Arc::default();
        let log = LogStore::open(database, Arc::clone(&failure)).map_err(failed)?;
        let snapshot =
            SnapshotFile::open(dir, failure).map_err(|error| StoreError::Io { path: dir.into(), error })?;
        let pristine = log.is_pristine();
        Ok(Self { identity, log, snapshot: Arc::new(snapshot), pristine })
    }
}

/// Makes the database under another name first: a process that is killed in the middle of it would leave a
/// file that is no database, and a node that can never start again.
fn create(dir: &Path, cluster: &str, node: u64) -> Result<(), StoreError> {
    let io = |error| StoreError::database(dir, error);
    let path = dir.join("raft.redb.new");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let database = Database::create(&path).map_err(|error| StoreError::open(&path, error))?;
    identity::load_or_create(&database, dir, cluster, node)?;
    database.close().map_err(|error| StoreError::open(&path, error))?;
    fs::rename(&path, dir.join("raft.redb")).map_err(io)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}
