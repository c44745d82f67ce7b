//! What a node keeps on disk: its identity, its vote, its log and its newest snapshot.
//!
//! ```text
//! <data>/raft.redb    identity, vote, log, the peers' incarnations: one redb database, locked while open
//! <data>/snapshot     the newest snapshot, replaced by rename
//! <data>/acknowledged the number of the last acknowledged commit: finds out whether one was lost
//! <data>/lock         held while the directory is in use
//! ```
//!
//! Vote and log are on disk (fsync) before anybody is told. One thread writes ([`writer`]): it takes all that
//! is waiting into one transaction, so that concurrent appends share one fsync.

mod acknowledged;
mod database;
mod directory;
mod error;
#[cfg(test)]
mod formats;
mod founding;
mod identity;
mod log;
mod memory;
pub(crate) mod row;
#[cfg(any(test, feature = "sim"))]
pub(crate) mod simulated;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;
mod writer;

use std::path::Path;
use std::sync::Arc;

use redb::Database;

use acknowledged::Acknowledged;
pub(crate) use directory::Directory;
use directory::RealDirectory;
pub(crate) use error::StoreError;
#[cfg(test)]
pub(crate) use identity::FORMAT;
pub(crate) use identity::{Identity, Incarnation};
pub(crate) use log::LogStore;
pub(crate) use snapshot::SnapshotFile;
pub(crate) use writer::Failure;

/// The file of the database.
const DATABASE: &str = "raft.redb";
/// A database that is being made.
const UNFINISHED: &str = "raft.redb.new";

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
    pub(crate) fn open(path: &Path, cluster: &str, node: u64) -> Result<Self, StoreError> {
        Self::on(Arc::new(RealDirectory::open(path)?), cluster, node)
    }

    /// The same in a directory that is open already: tests bring one whose disk fails.
    pub(crate) fn on(directory: Arc<dyn Directory>, cluster: &str, node: u64) -> Result<Self, StoreError> {
        let io = |error| StoreError::database(&*directory, error);
        if directory.len(DATABASE).map_err(io)?.is_none() {
            create(&*directory, cluster, node)?;
        }
        database::carefully(&*directory, || {
            let database = database::open(&*directory, DATABASE, false)?;
            Self::read(database, directory.clone(), cluster, node)
        })
    }

    fn read(
        database: Database,
        directory: Arc<dyn Directory>,
        cluster: &str,
        node: u64,
    ) -> Result<Self, StoreError> {
        let identity = identity::load_or_create(&database, &*directory, cluster, node)?;
        let acknowledged = Acknowledged::open(&database, &*directory)?;
        let failure = Arc::default();
        let snapshot = SnapshotFile::open(directory.clone(), Arc::clone(&failure))?;
        let log = LogStore::open(Arc::new(database), acknowledged, directory.clone(), failure)
            .map_err(|error| StoreError::database(&*directory, error))?;
        // A snapshot is on disk before the entries that it replaces are purged.
        if snapshot.newest() < log.purged() {
            let path = directory.path().join(snapshot::SNAPSHOT);
            return Err(StoreError::Damaged { path, why: "it is missing, or older than the log".into() });
        }
        let pristine = log.is_pristine();
        Ok(Self { identity, log, snapshot: Arc::new(snapshot), pristine })
    }
}

/// Makes the database under another name first: a process that is killed in the middle of it would leave a
/// file that is no database, and a node that can never start again.
fn create(directory: &dyn Directory, cluster: &str, node: u64) -> Result<(), StoreError> {
    let io = |error| StoreError::database(directory, error);
    directory.remove(UNFINISHED).map_err(io)?;
    let database = database::open(directory, UNFINISHED, true)?;
    identity::load_or_create(&database, directory, cluster, node)?;
    database.close().map_err(|error| io(database::to_io(error)))?;
    directory.rename(UNFINISHED, DATABASE).map_err(io)?;
    directory.sync().map_err(io)
}
