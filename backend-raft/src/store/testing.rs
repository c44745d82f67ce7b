//! A disk for tests: it can be filled up, and it counts its fsyncs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;

use super::Store;
use super::directory::{Directory, Note, RealDirectory};

/// The switches of a disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    /// While it is set every write fails with `ENOSPC`.
    pub(crate) full: Arc<AtomicBool>,
    /// How many fsyncs there were.
    pub(crate) syncs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Switched {
    real: RealDirectory,
    disk: Disk,
}

impl Directory for Switched {
    fn path(&self) -> &Path {
        self.real.path()
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        self.real.len(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.real.read(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.room()?;
        self.real.write(name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.real.sync()
    }

    fn note(&self, name: &str) -> io::Result<Note> {
        self.real.note(name)
    }

    fn database(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(OnDisk { file: self.real.database(name)?, disk: self.disk.clone() }))
    }
}

#[derive(Debug)]
struct OnDisk {
    file: Box<dyn StorageBackend>,
    disk: Disk,
}

impl Disk {
    /// Opens the store of member 1 of the cluster `test` on such a disk.
    pub(crate) fn open(dir: &Path) -> (Store, Self) {
        let disk = Self::default();
        let real = RealDirectory::open(dir).unwrap();
        let directory = Arc::new(Switched { real, disk: disk.clone() });
        (Store::on(directory, "test", 1).unwrap(), disk)
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
