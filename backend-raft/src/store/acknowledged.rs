//! What was acknowledged, noted a second time.
//!
//! One fsync per commit has a price: when a process is killed, redb cannot tell a commit that was cut short
//! from one that was whole and has rotted since. It takes both for cut short and goes back to the commit
//! before. Cut short is harmless, nobody was told. A rotten one holds a vote or entries that others count on.
//! So every commit carries a number, and after its fsync that number is noted in a file of its own, which costs
//! no fsync: the note is never ahead of what is on disk, and a database that is behind it has lost something.

use std::io;

use redb::{Database, ReadableDatabase, WriteTransaction};

use super::database::to_io;
use super::directory::{Directory, Note};
use super::error::StoreError;
use super::row;
use super::writer::MARKS;

/// The file's name.
const NOTE: &str = "acknowledged";
/// The record in [`MARKS`].
const COMMITS: &str = "commits";

/// The number of the last commit.
pub(super) struct Acknowledged {
    commits: u64,
    note: Note,
}

impl Acknowledged {
    /// Compares the database with the note.
    pub(super) fn open(database: &Database, directory: &dyn Directory) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(&directory.path().join(NOTE), error);
        let commits = commits(database).map_err(|error| StoreError::database(directory, error))?;
        // A damaged note says nothing: it may have been torn, and it is not what was acknowledged.
        let noted = directory.read(NOTE).map_err(io)?.and_then(|row| row::decode::<[u8; 8]>(&row).ok());
        let noted = noted.map_or(0, u64::from_be_bytes);
        #[cfg(zoo)]
        let noted = if election_core::zoo::planted("raft-lost-commit-unnoticed") { 0 } else { noted };
        if commits < noted {
            let path = directory.path().join(super::DATABASE);
            return Err(StoreError::Lost { path, commits: noted - commits });
        }
        Ok(Self { commits, note: directory.note(NOTE).map_err(io)? })
    }

    /// Numbers a commit. Call it in every transaction that somebody waits for.
    pub(super) fn number(&mut self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        self.commits += 1;
        let row = row::encode(&self.commits).map_err(redb::Error::Io)?;
        transaction.open_table(MARKS)?.insert(COMMITS, row.as_slice())?;
        Ok(())
    }

    /// Notes that the last numbered commit is on disk. Call it before anybody is told.
    pub(super) fn note(&self) -> io::Result<()> {
        // An array, because its encoding has one length: a shorter one would leave a tail of the longer.
        (self.note)(&row::encode(&self.commits.to_be_bytes())?)
    }
}

fn commits(database: &Database) -> io::Result<u64> {
    let transaction = database.begin_read().map_err(to_io)?;
    match transaction.open_table(MARKS) {
        Ok(marks) => {
            let row = marks.get(COMMITS).map_err(to_io)?;
            row.map_or(Ok(0), |row| row::decode(row.value()))
        }
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(to_io(error)),
    }
}
