//! Opening the database, and never trusting a byte of it unseen.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

use super::DATABASE;
use super::directory::Directory;
use super::error::StoreError;

/// redb's cache. The log's tail is in memory anyway, so the database is hardly ever read.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A file under redb, whatever kind of file it is.
#[derive(Debug)]
struct Backend(Box<dyn StorageBackend>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
}

/// Opens the file `name`, which `fresh` says is to be made and else must be there, and checks every page of it
/// (a plain open would find damage when it trips over it, or never).
pub(super) fn open(directory: &dyn Directory, name: &str, fresh: bool) -> Result<Database, StoreError> {
    let path = directory.path().join(name);
    let io = |error| StoreError::io(&path, error);
    // redb would make a new database of an empty file, and the node would have forgotten its votes.
    if !fresh && directory.len(name).map_err(io)? == Some(0) {
        return Err(StoreError::Damaged { path, why: "it is empty".into() });
    }
    let backend = Backend(directory.database(name).map_err(io)?);
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend);
    database.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: directory.path().into() },
        other => StoreError::io(&path, to_io(other)),
    })
}

/// Runs what reads a database that may be damaged: a damaged page may send redb beyond its own bounds, and then
/// it panics.
pub(super) fn carefully<T>(
    directory: &dyn Directory,
    read: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it cannot be read").to_owned();
        Err(StoreError::Damaged { path: directory.path().join(DATABASE), why })
    })
}

/// redb's error as an [`io::Error`] that keeps the system's own (`ENOSPC` above all).
pub(super) fn to_io(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other @ (redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_)) => {
            io::Error::new(io::ErrorKind::InvalidData, other)
        }
        other => io::Error::other(other),
    }
}
