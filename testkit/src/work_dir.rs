//! Temporary folders that do not pile up, also when test processes are killed.
//!
//! A dropped [`WorkDir`] is removed. A SIGKILLed test process drops nothing, and one etcd leaves 64 MB behind; so all
//! folders of a process live under one folder of its own that holds a locked file, and each new process first removes
//! the folders that nobody holds any more.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;

/// Where Linux has a file system in memory.
const MEMORY: &str = "/dev/shm";

/// Beside the folders of the processes, for those that outlive theirs: no process removes what is in it.
const KEPT: &str = "kept";

/// A temporary folder, removed when dropped (unless `TESTKIT_KEEP` is set).
#[derive(Debug)]
pub struct WorkDir {
    folder: TempDir,
}

impl WorkDir {
    /// Creates a folder whose name begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the temporary folder of the system cannot be written to.
    pub fn new(prefix: &str) -> Result<Self> {
        Self::within(home()?, prefix)
    }

    /// The same in memory, where a flush to disk costs nothing.
    ///
    /// # Errors
    ///
    /// When there is no file system in memory: see [`has_memory`](Self::has_memory).
    pub fn in_memory(prefix: &str) -> Result<Self> {
        static HOME: OnceLock<Result<Home, String>> = OnceLock::new();
        Self::within(home_in(&HOME, Path::new(MEMORY))?, prefix)
    }

    /// Whether the system has a file system in memory.
    #[must_use]
    pub fn has_memory() -> bool {
        Path::new(MEMORY).is_dir()
    }

    fn within(home: &Path, prefix: &str) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).disable_cleanup(env::var_os("TESTKIT_KEEP").is_some());
        let folder = builder.tempdir_in(home).context("cannot create a temporary folder")?;
        Ok(Self { folder })
    }

    /// Keeps the folder for good, because a person will want to read what is in it: no process removes it.
    ///
    /// # Errors
    ///
    /// When it cannot be moved there.
    pub fn keep(self) -> Result<PathBuf> {
        let root = home()?.parent().context("the folder of this process lies in another")?;
        let name = self.path().file_name().context("a folder has a name")?;
        let kept = root.join(KEPT).join(name);
        fs::create_dir_all(root.join(KEPT))?;
        fs::rename(self.folder.keep(), &kept)
            .with_context(|| format!("cannot move to {}", kept.display()))?;
        Ok(kept)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The folder of this process, with the file whose lock says that the process lives.
struct Home {
    folder: PathBuf,
    _lock: File,
}

fn home() -> Result<&'static Path> {
    static HOME: OnceLock<Result<Home, String>> = OnceLock::new();
    home_in(&HOME, &env::temp_dir())
}

fn home_in(home: &'static OnceLock<Result<Home, String>>, place: &Path) -> Result<&'static Path> {
    match home.get_or_init(|| make_home(place).map_err(|error| format!("{error:#}"))) {
        Ok(home) => Ok(&home.folder),
        Err(message) => Err(anyhow!("{message}")),
    }
}

fn make_home(place: &Path) -> Result<Home> {
    let user = rustix::process::getuid().as_raw();
    let root = place.join(format!("election-testkit-{user}"));
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    // Between the creation of a folder and the lock in it, another process must not take the folder for an orphan.
    let gate = File::options().create(true).append(true).open(root.join("gate"))?;
    gate.lock().context("cannot lock the folder of temporary folders")?;
    remove_orphans(&root);
    let folder = root.join(format!("{}-{:08x}", std::process::id(), rand::random::<u32>()));
    fs::create_dir(&folder)?;
    let lock = File::create(folder.join("alive"))?;
    lock.lock()?;
    Ok(Home { folder, _lock: lock })
}

/// Removes the folders of processes that have ended. What cannot be removed now is left to the next process.
fn remove_orphans(root: &Path) {
    if env::var_os("TESTKIT_KEEP").is_some() {
        return;
    }
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let orphan = File::open(entry.path().join("alive")).is_ok_and(|lock| lock.try_lock().is_ok());
        if orphan {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_outlives_the_folders_of_processes() {
        let folder = WorkDir::new("kept-").unwrap();
        fs::write(folder.path().join("history"), "what happened").unwrap();
        let before = folder.path().to_owned();
        let kept = folder.keep().unwrap();
        assert!(!before.exists() && !kept.starts_with(home().unwrap()));
        remove_orphans(home().unwrap().parent().unwrap());
        assert_eq!(fs::read_to_string(kept.join("history")).unwrap(), "what happened");
        fs::remove_dir_all(kept).unwrap();
    }
}
