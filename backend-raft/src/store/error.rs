//! Why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory cannot be used. Each message says which directory, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another process has it open.
    #[error("the data directory {path:?} is in use by another process: stop it, or give this node its own")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another group.
    #[error(
        "the data directory {path:?} belongs to cluster {found:?}, not {expected:?}: give the right \
         directory or the right cluster name"
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// It belongs to another member.
    #[error(
        "the data directory {path:?} belongs to node {found}, not {expected}: give each member its own \
         directory and keep it"
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: u64,
        /// Whose it should be.
        expected: u64,
    },
    /// It was written by a version that this one cannot read.
    #[error("the data directory {path:?} has format {found}, this version reads format {expected}: upgrade")]
    Format {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The disk is full.
    #[error("the disk under {path:?} is full: free some space and start the node again ({error})")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused a read or a write.
    #[error("cannot use {path:?}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl StoreError {
    /// An error while opening the database.
    pub(super) fn open(path: &Path, error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => {
                Self::InUse { path: path.parent().unwrap_or(path).into() }
            }
            other => Self::database(path, to_io(other)),
        }
    }

    /// An error while using the database.
    pub(super) fn database(path: &Path, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            Self::DiskFull { path: path.into(), error }
        } else {
            Self::Io { path: path.into(), error }
        }
    }
}

/// redb's error as an [`io::Error`] that keeps the system's own (`ENOSPC` above all).
pub(super) fn to_io(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other @ redb::Error::Corrupted(_) => io::Error::new(io::ErrorKind::InvalidData, other),
        other => io::Error::other(other),
    }
}
