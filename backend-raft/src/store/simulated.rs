//! A disk in memory that loses power, fills up and rots: as badly as a real one may, and repeatably.
//!
//! What was written and not synced is, after a power loss, there, not there, or there in part, each write for
//! itself and in no order. Names (creations, renames, removals) are lost from some point on. What was synced
//! stays.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::StorageBackend;

use super::directory::{Directory, Note};

/// A change to a file that is not on disk yet.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    fn make(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*offset..end].copy_from_slice(bytes);
            }
            Self::Length(length) => file.resize(*length, 0),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    /// As the process sees it.
    live: Vec<u8>,
    /// As a power loss leaves it if nothing of `pending` made it.
    synced: Vec<u8>,
    pending: Vec<Change>,
}

impl File {
    fn change(&mut self, change: Change) {
        change.make(&mut self.live);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.make(&mut self.synced);
        }
    }

    /// What a power loss makes of it.
    fn survive(&mut self, rng: &mut StdRng) {
        for change in std::mem::take(&mut self.pending) {
            match (change, rng.random_range(0..3)) {
                (_, 0) => {}
                (Change::Write { offset, bytes }, 1) if !bytes.is_empty() => {
                    let cut = rng.random_range(0..bytes.len());
                    // Torn at either end: a disk may write sectors in any order.
                    let (offset, part) =
                        if rng.random() { (offset, &bytes[..cut]) } else { (offset + cut, &bytes[cut..]) };
                    Change::Write { offset, bytes: part.to_vec() }.make(&mut self.synced);
                }
                (change, _) => change.make(&mut self.synced),
            }
        }
        self.live.clone_from(&self.synced);
    }
}

type Names = BTreeMap<String, u64>;

/// How the disk behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// The power goes at this step: the step itself is begun, and everything after it fails.
    pub(crate) power_loss_at: Option<u64>,
    /// From this step on there is no room for writes.
    pub(crate) full_at: Option<u64>,
    /// A planted bug: a sync of names does nothing.
    pub(crate) forgets_names: bool,
    /// A planted bug: a sync of a file does nothing.
    pub(crate) forgets_bytes: bool,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<u64, File>,
    names: Names,
    synced_names: Names,
    /// The names after each change that is not on disk yet.
    pending_names: Vec<Names>,
    next: u64,
    steps: u64,
    dead: bool,
    faults: Faults,
}

impl Inner {
    /// Counts a step; false if the power goes in the middle of it.
    fn step(&mut self, writes: bool) -> io::Result<bool> {
        if self.dead {
            return Err(power_loss());
        }
        self.steps += 1;
        if writes && self.faults.full_at.is_some_and(|at| self.steps >= at) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.dead = self.faults.power_loss_at.is_some_and(|at| self.steps >= at);
        Ok(!self.dead)
    }

    fn change(&mut self, file: u64, change: Change) -> io::Result<()> {
        let alive = self.step(true)?;
        self.file(file).change(change);
        if alive { Ok(()) } else { Err(power_loss()) }
    }

    fn sync(&mut self, file: u64) -> io::Result<()> {
        if !self.step(false)? {
            return Err(power_loss());
        }
        if !self.faults.forgets_bytes {
            self.file(file).sync();
        }
        Ok(())
    }

    fn change_names(&mut self, change: impl FnOnce(&mut Names)) -> io::Result<()> {
        let alive = self.step(false)?;
        change(&mut self.names);
        self.pending_names.push(self.names.clone());
        if alive { Ok(()) } else { Err(power_loss()) }
    }

    fn file(&mut self, file: u64) -> &mut File {
        self.files.entry(file).or_default()
    }

    /// The file of that name, created if need be.
    fn open(&mut self, name: &str) -> io::Result<u64> {
        if let Some(file) = self.names.get(name) {
            return Ok(*file);
        }
        self.next += 1;
        let file = self.next;
        self.change_names(|names| {
            names.insert(name.into(), file);
        })?;
        Ok(file)
    }
}

fn power_loss() -> io::Error {
    io::Error::other("the power is gone")
}

/// A data directory on such a disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimulatedDisk(Arc<Mutex<Inner>>);

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedDisk").field("steps", &self.steps()).finish()
    }
}

impl SimulatedDisk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same disk, with these faults to come; steps are counted anew.
    pub(crate) fn with(&self, faults: Faults) -> &Self {
        let mut inner = self.lock();
        inner.steps = 0;
        inner.faults = faults;
        drop(inner);
        self
    }

    /// How many writes, syncs and changes of names there were.
    pub(crate) fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Whether the power is gone.
    #[cfg(feature = "sim")]
    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// The disk after the process was killed now: what it wrote is there, synced or not.
    pub(crate) fn killed(&self) -> Self {
        let inner = self.lock();
        let keep = |file: &File| File { synced: file.live.clone(), live: file.live.clone(), pending: vec![] };
        let files = inner.files.iter().map(|(id, file)| (*id, keep(file))).collect();
        let names = inner.names.clone();
        let after = Inner { files, synced_names: names.clone(), names, next: inner.next, ..Inner::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    /// The disk after the power went now and came back. The old handle is dead.
    pub(crate) fn after_power_loss(&self, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut inner = self.lock();
        inner.dead = true;
        // The names are a journal: some changes at its end are lost.
        let kept = rng.random_range(0..=inner.pending_names.len());
        let names =
            kept.checked_sub(1).map_or(&inner.synced_names, |last| &inner.pending_names[last]).clone();
        let mut files = inner.files.clone();
        files.retain(|id, _| names.values().any(|named| named == id));
        files.values_mut().for_each(|file| file.survive(&mut rng));
        let after = Inner { files, synced_names: names.clone(), names, next: inner.next, ..Inner::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    /// The files by name.
    #[cfg(test)]
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let inner = self.lock();
        inner.names.iter().map(|(name, file)| (name.clone(), inner.files[file].live.clone())).collect()
    }

    /// Changes a byte of a file behind everybody's back.
    #[cfg(test)]
    pub(crate) fn rot(&self, name: &str, at: usize, change: u8) {
        let mut inner = self.lock();
        let file = inner.names[name];
        let file = inner.file(file);
        file.live[at] ^= change;
        file.synced[at] ^= change;
    }

    /// Removes a file behind everybody's back.
    #[cfg(test)]
    pub(crate) fn vanish(&self, name: &str) {
        let mut inner = self.lock();
        inner.names.remove(name);
        inner.synced_names.remove(name);
    }
}

impl Directory for SimulatedDisk {
    fn path(&self) -> &Path {
        Path::new("/simulated")
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.read(name)?.map(|bytes| bytes.len() as u64))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let inner = self.lock();
        Ok(inner.names.get(name).and_then(|file| inner.files.get(file)).map(|file| file.live.clone()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        let file = inner.open(name)?;
        inner.change(file, Change::Length(0))?;
        inner.change(file, Change::Write { offset: 0, bytes: bytes.to_vec() })?;
        inner.sync(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.lock();
        if !inner.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change_names(|names| {
            if let Some(file) = names.remove(from) {
                names.insert(to.into(), file);
            }
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        if !inner.names.contains_key(name) {
            return Ok(());
        }
        inner.change_names(|names| {
            names.remove(name);
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.lock();
        if !inner.step(false)? {
            return Err(power_loss());
        }
        if !inner.faults.forgets_names {
            inner.synced_names = inner.names.clone();
            inner.pending_names.clear();
        }
        Ok(())
    }

    fn note(&self, name: &str) -> io::Result<Note> {
        let file = self.lock().open(name)?;
        let disk = self.clone();
        Ok(Box::new(move |bytes| {
            disk.lock().change(file, Change::Write { offset: 0, bytes: bytes.to_vec() })
        }))
    }

    fn database(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let file = self.lock().open(name)?;
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }
}

/// An open file, as redb uses it.
#[derive(Debug)]
struct OpenFile {
    disk: SimulatedDisk,
    file: u64,
}

impl StorageBackend for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().file(self.file).live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(out.len());
        let bytes = inner.file(self.file).live.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.disk.lock().change(self.file, Change::Length(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.lock().sync(self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.disk.lock().change(self.file, Change::Write { offset, bytes: data.to_vec() })
    }
}
