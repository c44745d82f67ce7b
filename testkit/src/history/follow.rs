//! [`Follow`]: who leads, while the histories grow.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Event, Op, Phase};

/// Reads the histories of a directory as they are written, for a harness that wants to hit the leader.
#[derive(Debug)]
pub struct Follow {
    folder: PathBuf,
    /// How far each file has been read: to the end of a line.
    read: HashMap<PathBuf, u64>,
    claims: HashMap<u64, Event>,
}

impl Follow {
    /// Of the `*.jsonl` files in that directory.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), read: HashMap::new(), claims: HashMap::new() }
    }

    /// The last successful check of whoever leads: its `id`, `incarnation`, `pid` and `token`. As fresh as the last line
    /// that was written, so it may have been lost since; the checker tells afterwards whether a fault hit a leader.
    ///
    /// # Errors
    ///
    /// When a history cannot be read.
    pub fn leader(&mut self) -> Result<Option<Event>> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                self.read_on(&path).with_context(|| format!("cannot read {}", path.display()))?;
            }
        }
        Ok(self.claims.values().max_by_key(|event| event.token).cloned())
    }

    fn read_on(&mut self, path: &Path) -> Result<()> {
        let from = self.read.get(path).copied().unwrap_or(0);
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // A line without an end is being written, or torn.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        for line in bytes[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if let Ok(event) = serde_json::from_slice(line) {
                self.take(event);
            }
        }
        self.read.insert(path.to_owned(), from + whole as u64);
        Ok(())
    }

    fn take(&mut self, event: Event) {
        let Some(token) = event.token else { return };
        match (event.op, event.phase) {
            (Op::Check, Phase::Ok) => {
                self.claims.insert(token, event);
            }
            (Op::Check, Phase::Fail) | (Op::Resign | Op::Drop, Phase::Invoke) => {
                self.claims.remove(&token);
            }
            _ => {}
        }
    }
}
