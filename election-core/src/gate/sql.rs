//! [`SqlGate`]: a fence in the database that is written to.

use std::fmt;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction};

use super::{FenceGate, Fenced};
use crate::candidate::ElectionName;
use crate::error::{Error, Kind, Operation, Result};
use crate::token::FencingToken;

/// A fence inside one SQLite transaction: the check and the writes that follow commit together or not at all.
///
/// ```
/// use election_core::gate::{FenceGate, SqlGate};
/// use election_core::{ElectionName, FencingToken};
/// # let mut ledger = rusqlite::Connection::open_in_memory()?;
/// # ledger.execute_batch("CREATE TABLE invoices (id TEXT, paid INTEGER); INSERT INTO invoices VALUES ('7', 0)")?;
/// SqlGate::create_table(&ledger)?;
///
/// // What a leader writes, it writes like this:
/// # let token = FencingToken::new(41);
/// let tx = ledger.transaction()?;
/// SqlGate::new(&tx).admit(&ElectionName::new("billing")?, token)?; // on Err, `tx` is rolled back
/// tx.execute("UPDATE invoices SET paid = 1 WHERE id = '7'", [])?;
/// tx.commit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Other databases
/// [`CREATE_TABLE`](Self::CREATE_TABLE) and [`ADMIT`](Self::ADMIT) are plain SQL. In **Postgres** (`$1`, `$2`
/// for `?1`, `?2`) they work as they are, at any isolation level: no row affected means fenced, and the row
/// stays locked until the transaction ends, so that a successor waits for the write it would have overtaken.
/// **MySQL** has no `WHERE` in its upsert and does not count a row that was set to the same value: make sure
/// that the row exists (`INSERT IGNORE … VALUES (?, 0)`), then, in the transaction of the write,
/// `SELECT token … FOR UPDATE`, compare with `<`, and `UPDATE`.
pub struct SqlGate<'t> {
    tx: &'t Connection,
}

impl<'t> SqlGate<'t> {
    /// The table: one row per election.
    pub const CREATE_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS election_fence (\
         election VARCHAR(128) NOT NULL PRIMARY KEY, token BIGINT NOT NULL CHECK (token >= 0))";

    /// The fence: affects one row if the token (`?2`) is admitted in the election (`?1`), and none if not.
    pub const ADMIT: &'static str = "INSERT INTO election_fence (election, token) VALUES (?1, ?2) \
         ON CONFLICT (election) DO UPDATE SET token = excluded.token \
         WHERE excluded.token >= election_fence.token";

    /// Creates the table if there is none.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn create_table(connection: &Connection) -> Result<()> {
        connection.execute_batch(Self::CREATE_TABLE).map_err(from_sqlite)
    }

    /// The fence of one transaction; it takes a [`Transaction`] so that there is one to write in.
    #[must_use]
    pub fn new(tx: &'t Transaction<'_>) -> Self {
        Self { tx }
    }

    fn read(&self, election: &ElectionName) -> Result<Option<FencingToken>> {
        let mut select = self
            .tx
            .prepare_cached("SELECT token FROM election_fence WHERE election = ?1")
            .map_err(from_sqlite)?;
        let token: Option<i64> =
            select.query_row([election.as_str()], |row| row.get(0)).optional().map_err(from_sqlite)?;
        token.map(from_column).transpose()
    }
}

impl FenceGate for SqlGate<'_> {
    fn admit(&mut self, election: &ElectionName, token: FencingToken) -> Result<()> {
        let column = to_column(token)?;
        // The upsert takes the database's write lock (in Postgres: the row's), and keeps it until the commit.
        let mut upsert = self.tx.prepare_cached(Self::ADMIT).map_err(from_sqlite)?;
        let admitted = upsert.execute((election.as_str(), column)).map_err(from_sqlite)?;
        if admitted > 0 {
            return Ok(());
        }
        // Refused means that there is a row, and the lock keeps it as it was.
        let highest = self.read(election)?.unwrap_or(token);
        Err(Error::from(Fenced { token, highest }).election(election))
    }

    fn highest(&mut self, election: &ElectionName) -> Result<Option<FencingToken>> {
        self.read(election)
    }
}

impl fmt::Debug for SqlGate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlGate").finish_non_exhaustive()
    }
}

/// SQL's largest integer is 2^63 − 1. Nothing issues larger tokens (etcd and ZooKeeper count in signed 64
/// bits, a log index never gets there), unless an epoch was put into the topmost bit: refused, because a
/// number that wraps around would open the fence for ever.
fn to_column(token: FencingToken) -> Result<i64> {
    i64::try_from(token.get()).map_err(|_| {
        Error::new(Kind::InvalidConfig, Operation::Fence).message(format!(
            "token {token} does not fit into an SQL BIGINT (at most {}): keep the epoch below the topmost bit",
            i64::MAX
        ))
    })
}

fn from_column(column: i64) -> Result<FencingToken> {
    u64::try_from(column).map(FencingToken::new).map_err(|_| {
        Error::new(Kind::Unexpected, Operation::Fence)
            .message(format!("election_fence holds the token {column}: somebody else wrote it"))
    })
}

fn from_sqlite(error: rusqlite::Error) -> Error {
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Kind::Timeout, "the database was busy for too long: roll back and retry")
        }
        Some(
            ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::OutOfMemory,
        ) => (Kind::Unavailable, "the database cannot write: check its disk, then retry"),
        Some(
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied,
        ) => (Kind::PermissionDenied, "the database may not be written to: check its rights"),
        _ => (Kind::Unexpected, "the database refused the fence's statement: was its table created?"),
    };
    Error::new(kind, Operation::Fence).message(message).source(error)
}
