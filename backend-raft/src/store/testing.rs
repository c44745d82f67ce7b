//! A disk for tests: it can be filled up, and it counts its fsyncs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use super::Store;

/// The switches of a disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    /// While it is set every write fails with `ENOSPC`.
    pub(crate) full: Arc<AtomicBool>,
    /// How many fsyncs there were.
    pub(crate) syncs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct OnDisk {
    file: FileBackend,
    disk: Disk,
}

impl Disk {
    /// Opens the store of member 1 of the cluster `test` on such a disk.
    pub(crate) fn open(dir: &Path) -> (Store, Self) {
        let disk = Self::default();
        let path = dir.join("raft.redb");
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).unwrap();
        let backend = OnDisk { file: FileBackend::new(file).unwrap(), disk: disk.clone() };
        let database = Database::builder().create_with_backend(backend).unwrap();
        (Store::on(database, dir, "test", 1).unwrap(), disk)
    }

    fn room(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(())
    }
}
impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.room()?;
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.room()?;
        self.file.write(offset, data)
    }
}
