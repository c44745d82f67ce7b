//! What is in a backup, and its file.
//!
//! ```text
//! "ELRAFTBK"   u32 format (big endian)   a record: checksum, then Contents in postcard's encoding
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use election_core::{Error, FencingToken, Kind, Operation, Result};
use serde::{Deserialize, Serialize};

use super::epoch;
use crate::error::BACKEND;
use crate::state_machine::State;
use crate::store::row;
use crate::types::NodeId;

const MAGIC: &[u8; 8] = b"ELRAFTBK";
/// Raise it with every change that an older version cannot read, and keep reading the older ones.
pub(crate) const FORMAT: u32 = 1;
const HEADER: usize = MAGIC.len() + 4;

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    /// The group's name.
    pub(crate) cluster: String,
    /// The log index that it is of.
    pub(crate) index: u64,
    /// The members at that index.
    pub(crate) members: BTreeMap<NodeId, String>,
    /// The state, as in a snapshot.
    pub(crate) state: Bytes,
}

impl Contents {
    /// The bytes of a file.
    pub(crate) fn encode(&self) -> io::Result<Bytes> {
        let row = row::encode(self)?;
        Ok([&MAGIC[..], &FORMAT.to_be_bytes(), &row].concat().into())
    }
}

/// A backup of a group, whole and sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The group's name.
    pub cluster: String,
    /// The log index that it is of: no token in it, and none that was given out before it was taken, is higher.
    pub index: u64,
    /// Every member's id and address at that index.
    pub members: Vec<(u64, String)>,
    /// How many sessions there were.
    pub sessions: usize,
    /// The TTL of the longest of them: after so long without the group no leadership of it is valid any more.
    pub longest_ttl: Duration,
    /// The elections that had a leader: name, the leader's candidate id, its token.
    pub leaders: Vec<(String, String, FencingToken)>,
}

/// A file that cannot be used; `path` and what to do are in the message.
pub(super) fn unusable<T>(path: &Path, why: impl fmt::Display) -> Result<T> {
    Err(Error::invalid_config(format!("the backup {path:?} {why}")).backend(BACKEND))
}

/// A file that the system does not let us use.
pub(super) fn io_error(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => Kind::PermissionDenied,
        io::ErrorKind::StorageFull => Kind::Unavailable,
        _ => Kind::InvalidConfig,
    };
    Error::new(kind, Operation::Configure).backend(BACKEND).message(format!("cannot use {path:?}: {error}"))
}

impl Backup {
    /// Reads a backup from its file, and makes sure that it is whole.
    ///
    /// # Errors
    /// `InvalidConfig` if the file is missing, no backup, damaged, or of a later version's format.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::decode(path, &fs::read(path).map_err(|error| io_error(path, &error))?)
    }

    /// The same of bytes that are, or will be, in the file `path`.
    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return unusable(path, "is no backup of a Raft group: give the file that `backup` wrote");
        }
        let format = bytes.get(MAGIC.len()..HEADER).and_then(|format| format.try_into().ok());
        match format.map(u32::from_be_bytes) {
            Some(FORMAT) => {}
            Some(other) => {
                return unusable(path, format!("has format {other}, this version reads {FORMAT}: upgrade"));
            }
            None => return unusable(path, "is cut short: use another copy"),
        }
        let contents = row::decode::<Contents>(&bytes[HEADER..]);
        let read = contents.and_then(|contents| {
            let state = State::decode(&contents.state).map_err(io::Error::other)?;
            Ok(Self::of(contents, &state))
        });
        read.or_else(|error| unusable(path, format!("is damaged ({error}): use another copy")))
    }

    fn of(contents: Contents, state: &State) -> Self {
        Self {
            cluster: contents.cluster,
            index: contents.index,
            members: contents.members.into_iter().collect(),
            sessions: state.sessions().count(),
            longest_ttl: Duration::from_millis(state.sessions().map(|(_, ttl)| ttl).max().unwrap_or(0)),
            leaders: state
                .leaders()
                .map(|(election, id, token)| (election.to_owned(), id.to_owned(), FencingToken::new(token)))
                .collect(),
        }
    }

    /// How often the group had been founded anew when the backup was taken.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        epoch::of(self.index)
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, index, sessions, longest_ttl, .. } = self;
        let members: Vec<String> =
            self.members.iter().map(|(id, address)| format!("{id}@{address}")).collect();
        writeln!(f, "cluster {cluster}, epoch {}, log index {index}", self.epoch())?;
        writeln!(f, "members {}", members.join(", "))?;
        write!(
            f,
            "{sessions} sessions, the longest of {longest_ttl:?}; {} elections with a leader",
            self.leaders.len()
        )
    }
}

/// Replaces the file `path` by these bytes: on return they are on disk, and a crash leaves the old ones or the new.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = folder.join(format!("{}.unfinished", name.to_string_lossy()));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
