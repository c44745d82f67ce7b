//! Numbers of which each belongs to one process at a time.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
};

use anyhow::{Context, Result};

/// The lock that makes the number `number` of a kind (say, `ports`) ours; `None` if it is somebody else's.
///
/// A lock ends with its process, however that ends.
pub(crate) fn try_lease(kind: &str, number: u16) -> Result<Option<File>> {
    let path = lock_folder(kind)?.join(number.to_string());
    let lock = File::options().create(true).append(true).open(&path);
    let lock = lock.with_context(|| format!("cannot open the lock file {}", path.display()))?;
    Ok(lock.try_lock().is_ok().then_some(lock))
}

/// One folder per user, so that nobody meets lock files that are not theirs to open.
fn lock_folder(kind: &str) -> Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = env::temp_dir().join(format!("election-testkit-{kind}-{user}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
