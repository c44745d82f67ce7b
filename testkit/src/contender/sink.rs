//! [`Sink`]: the resource that only the leader may write to.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use election_core::gate::{FenceGate, SqlGate};
use election_core::{ElectionName, FencingToken};
use rusqlite::{Connection, TransactionBehavior};
use serde::{Deserialize, Serialize};

/// How long a writer waits for another one. Short, because a process that is stopped inside its transaction keeps all
/// others out until it goes on: they have a leadership to check meanwhile.
const BUSY: Duration = Duration::from_millis(100);

/// One table that is only appended to. It has no key that would hide a unit that was done twice.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS units (place INTEGER PRIMARY KEY AUTOINCREMENT, \
     unit INTEGER NOT NULL, token INTEGER NOT NULL, writer TEXT NOT NULL)";

/// A SQLite file shared by all contenders of a host, behind a [`SqlGate`].
#[derive(Debug)]
pub struct Sink {
    database: Connection,
}

/// A unit that the sink accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The order in which the sink accepted them.
    pub place: u64,
    /// The unit.
    pub unit: u64,
    /// The token that it was accepted under.
    pub token: u64,
    /// `<id>/<incarnation>`.
    pub writer: String,
}

impl Sink {
    /// Opens the file, and creates it if there is none.
    ///
    /// # Errors
    ///
    /// When SQLite cannot.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> Result<Connection> {
            let database = Connection::open(path)?;
            // While the file is created others wait longer than for a unit.
            database.busy_timeout(BUSY * 100)?;
            database.pragma_update(None, "journal_mode", "WAL")?;
            // A killed process loses nothing either way; only the host's power would.
            database.pragma_update(None, "synchronous", "OFF")?;
            SqlGate::create_table(&database)?;
            database.execute_batch(SCHEMA)?;
            database.busy_timeout(BUSY)?;
            Ok(database)
        };
        let database = open().with_context(|| format!("cannot open the sink {}", path.display()))?;
        Ok(Self { database })
    }

    /// The first unit that is not done. Admits the token before it reads, so that nothing older is added later.
    ///
    /// # Errors
    ///
    /// `Fenced` if a newer leader has written; else what SQLite says.
    pub fn next(&mut self, election: &ElectionName, token: FencingToken) -> election_core::Result<u64> {
        let tx = self.database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unknown)?;
        SqlGate::new(&tx).admit(election, token)?;
        let unit = tx
            .query_row("SELECT COALESCE(MAX(unit), 0) + 1 FROM units", [], |row| row.get::<_, i64>(0))
            .map_err(unknown)?;
        tx.commit().map_err(unknown)?;
        Ok(unit.unsigned_abs())
    }

    /// Writes the unit down as done.
    ///
    /// # Errors
    ///
    /// `Fenced` if a newer leader has written: it is not done then. `Kind::Unexpected` if it is not known whether it is.
    pub fn write(
        &mut self,
        election: &ElectionName,
        token: FencingToken,
        unit: u64,
        writer: &str,
    ) -> election_core::Result<()> {
        let tx = self.database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unknown)?;
        SqlGate::new(&tx).admit(election, token)?;
        tx.execute(
            "INSERT INTO units (unit, token, writer) VALUES (?1, ?2, ?3)",
            (unit.cast_signed(), token.get().cast_signed(), writer),
        )
        .map_err(unknown)?;
        tx.commit().map_err(unknown)
    }

    /// All that was accepted, in that order.
    ///
    /// # Errors
    ///
    /// When SQLite cannot read it.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let mut select =
            self.database.prepare("SELECT place, unit, token, writer FROM units ORDER BY place")?;
        let rows = select.query_map([], |row| {
            Ok(Row {
                place: row.get::<_, i64>(0)?.unsigned_abs(),
                unit: row.get::<_, i64>(1)?.unsigned_abs(),
                token: row.get::<_, i64>(2)?.unsigned_abs(),
                writer: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn unknown(error: rusqlite::Error) -> election_core::Error {
    use election_core::{Error, Kind, Operation};
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Kind::Timeout,
        _ => Kind::Unexpected,
    };
    Error::new(kind, Operation::Fence).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use election_core::gate::Fenced;

    #[test]
    fn the_sink_takes_units_of_the_newest_leader_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Sink::open(&folder.path().join("sink.sqlite")).unwrap();
        let election = ElectionName::new("e").unwrap();
        let (old, new) = (FencingToken::new(4), FencingToken::new(9));
        let unit = sink.next(&election, old).unwrap();
        sink.write(&election, old, unit, "a/1").unwrap();
        let late = sink.next(&election, old).unwrap();
        assert_eq!(sink.next(&election, new).unwrap(), late);
        let error = sink.write(&election, old, late, "a/1").unwrap_err();
        assert_eq!(Fenced::cause_of(&error).unwrap().highest, new);
        sink.write(&election, new, late, "b/1").unwrap();
        let rows = sink.rows().unwrap();
        assert_eq!(rows.iter().map(|row| (row.unit, row.token)).collect::<Vec<_>>(), [(1, 4), (2, 9)]);
    }
}
