//! [`History`]: what all processes of a run recorded.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::Event;

/// The lines of all processes, in the order of their stamps.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Sorted by `mono_ns`; the lines of one incarnation are in the order of their `seq`.
    pub events: Vec<Event>,
    /// Lines that were cut because their process was killed, as file and line number.
    pub torn: Vec<(PathBuf, usize)>,
}

impl History {
    /// Reads every `*.jsonl` file of a directory.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or holds what no [`Recorder`](super::Recorder) writes. The last line of an
    /// incarnation may be torn.
    pub fn read_dir(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                files.push(path);
            }
        }
        // So that two reads of one directory are equal.
        files.sort();
        let mut history = Self::default();
        for file in files {
            history.read_file(&file)?;
        }
        Ok(history.sorted())
    }

    /// The history of these events, as if they had been read.
    #[must_use]
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Self {
        Self { events: events.into_iter().collect(), torn: Vec::new() }.sorted()
    }

    fn sorted(mut self) -> Self {
        self.events.sort_by_key(|event| (event.mono_ns, event.pid, event.seq));
        self
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut torn = None;
        let mut previous: Option<(u32, u64)> = None;
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let event: Event = match serde_json::from_slice(line) {
                Ok(event) => event,
                Err(error) if error.is_eof() && torn.is_none() => {
                    torn = Some(number);
                    continue;
                }
                Err(error) => bail!("{}:{number} is no line of a history: {error}", path.display()),
            };
            // Only a new incarnation may follow: after any other line, one is missing.
            self.torn.extend(torn.take().map(|number| (path.to_owned(), number)));
            let expected = match previous {
                Some((pid, seq)) if pid == event.pid && event.seq != 0 => seq + 1,
                _ => 0,
            };
            ensure!(
                event.seq == expected,
                "{}:{number} has seq {} where {expected} was due: lines are missing",
                path.display(),
                event.seq
            );
            previous = Some((event.pid, event.seq));
            self.events.push(event);
        }
        self.torn.extend(torn.map(|number| (path.to_owned(), number)));
        Ok(())
    }
}
