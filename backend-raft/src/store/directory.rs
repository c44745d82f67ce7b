//! The files of a data directory, and nothing else of the file system.
//!
//! A trait, so that a test can put a disk under the store that loses power, fills up, or forgets what it was
//! not told to keep (`simulated`). What is on disk after a call, and what is not yet, is part of the contract.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::error::StoreError;

/// Overwrites a short file from its beginning.
pub(super) type Note = Box<dyn Fn(&[u8]) -> io::Result<()> + Send>;

/// A data directory. It belongs to whoever holds it until it is dropped.
pub(crate) trait Directory: Debug + Send + Sync {
    /// Where it is, for messages.
    fn path(&self) -> &Path;

    /// How long a file is; `None` if there is none of that name.
    fn len(&self, name: &str) -> io::Result<Option<u64>>;

    /// A whole file; `None` if there is none of that name.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Creates or replaces a file. On return its bytes are on disk, its name perhaps not.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name, at once: whoever has that name is replaced. On disk after [`sync`](Self::sync).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, if it is there. On disk after [`sync`](Self::sync).
    fn remove(&self, name: &str) -> io::Result<()>;

    /// On return all names are on disk.
    fn sync(&self) -> io::Result<()>;

    /// Opens a file, created if need be, for short notes that nobody waits for: what was written last survives
    /// the end of the process at once, and that of the machine when the system has got round to it.
    fn note(&self, name: &str) -> io::Result<Note>;

    /// Opens a file, created if need be, for a database.
    fn database(&self, name: &str) -> io::Result<Box<dyn StorageBackend>>;
}

/// A directory of the file system.
#[derive(Debug)]
pub(super) struct RealDirectory {
    path: PathBuf,
    /// Keeps other processes out.
    _lock: File,
}

impl RealDirectory {
    /// Creates it if need be, and takes it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(path, error);
        fs::create_dir_all(path).map_err(io)?;
        let lock = File::create(path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.into() }),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.path.join(name))
    }
}

/// `None` instead of an error where there is no such file.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

impl Directory for RealDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(found(fs::metadata(self.path.join(name)))?.map(|found| found.len()))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        found(fs::read(self.path.join(name)))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.path.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        found(fs::remove_file(self.path.join(name))).map(drop)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn note(&self, name: &str) -> io::Result<Note> {
        let file = self.create(name)?;
        Ok(Box::new(move |bytes| {
            (&file).seek(SeekFrom::Start(0))?;
            (&file).write_all(bytes)
        }))
    }

    fn database(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let file = FileBackend::new(self.create(name)?).map_err(io::Error::other)?;
        Ok(Box::new(file))
    }
}
