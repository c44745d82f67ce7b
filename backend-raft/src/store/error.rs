//! Why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::directory::Directory;

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
    /// A file was altered behind the store's back.
    #[error(
        "{path:?} is damaged ({why}): the node may have forgotten what it acknowledged. Do not start it on this \
         directory again; let it join with an empty one, under a new id"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database is older than what was acknowledged.
    #[error(
        "{path:?} is damaged or was replaced by an older copy: {commits} acknowledged commits are missing. Do not \
         start the node on this directory again; let it join with an empty one, under a new id"
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// How many are missing.
        commits: u64,
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
    /// An error of a file.
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull { path, error },
            io::ErrorKind::InvalidData => Self::Damaged { path, why: error.to_string() },
            _ => Self::Io { path, error },
        }
    }

    /// An error of the database of a directory.
    pub(super) fn database(directory: &dyn Directory, error: io::Error) -> Self {
        Self::io(&directory.path().join(super::DATABASE), error)
    }
}
