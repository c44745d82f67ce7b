//! What the provider remembers: the charges it executed, and the keys it has answered.

use std::path::Path;

use anyhow::Context;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// A charge that was really executed: money has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The provider's number of it.
    pub id: i64,
    /// For which invoice, in the words of the one who asked.
    pub invoice: String,
    /// In minor units.
    pub amount: i64,
    /// The currency's code.
    pub currency: String,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// It was executed now.
    Now(i64),
    /// The key was known: it had been executed before, and was not executed again.
    Before(i64),
    /// The key was known for another request. Nothing was executed.
    KeyReused,
}

/// The provider's database.
///
/// Nothing in it keeps an invoice from being charged twice: only the key does. The charges are counted
/// apart from the keys, so that the audit sees what happened and not what should have.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS charges (
        id INTEGER PRIMARY KEY AUTOINCREMENT, invoice TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS keys (
        key TEXT NOT NULL PRIMARY KEY, charge INTEGER NOT NULL REFERENCES charges (id),
        replays INTEGER NOT NULL DEFAULT 0);";

impl Store {
    /// Opens the database, and creates it if there is none.
    ///
    /// # Errors
    /// If the file is none, or cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().with_context(|| format!("cannot open the provider's {}", path.display()))?;
        Ok(Self { connection })
    }

    /// Whether a request with this key has been answered, or at least executed.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn knows(&self, key: &str) -> rusqlite::Result<bool> {
        self.connection.prepare_cached("SELECT 1 FROM keys WHERE key = ?1")?.exists([key])
    }

    /// Executes a charge, unless its key is known: the charge and its key commit together.
    ///
    /// # Errors
    /// If the database refuses; then nothing was executed.
    pub fn charge(
        &mut self,
        key: &str,
        invoice: &str,
        amount: i64,
        currency: &str,
    ) -> rusqlite::Result<Charged> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = tx
            .prepare_cached(
                "SELECT charges.id, invoice = ?2 AND amount = ?3 AND currency = ?4 \
                 FROM keys JOIN charges ON charges.id = keys.charge WHERE key = ?1",
            )?
            .query_row((key, invoice, amount, currency), |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))
            .optional()?;
        let charged = match known {
            Some((_, false)) => return Ok(Charged::KeyReused),
            Some((id, true)) => {
                tx.prepare_cached("UPDATE keys SET replays = replays + 1 WHERE key = ?1")?.execute([key])?;
                Charged::Before(id)
            }
            None => {
                tx.prepare_cached("INSERT INTO charges (invoice, amount, currency) VALUES (?1, ?2, ?3)")?
                    .execute((invoice, amount, currency))?;
                let id = tx.last_insert_rowid();
                tx.prepare_cached("INSERT INTO keys (key, charge) VALUES (?1, ?2)")?.execute((key, id))?;
                Charged::Now(id)
            }
        };
        tx.commit()?;
        Ok(charged)
    }

    /// Every charge that was executed.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn executed(&self) -> rusqlite::Result<Vec<Executed>> {
        let mut select =
            self.connection.prepare("SELECT id, invoice, amount, currency FROM charges ORDER BY id")?;
        let rows = select.query_map([], |row| {
            Ok(Executed { id: row.get(0)?, invoice: row.get(1)?, amount: row.get(2)?, currency: row.get(3)? })
        })?;
        rows.collect()
    }

    /// How many requests were answered from a known key, without a charge.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn replays(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("SELECT coalesce(sum(replays), 0) FROM keys", [], |row| row.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_charged_once_across_restarts_and_never_for_another_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("provider.db");
        let charge = |key, amount| Store::open(&path).unwrap().charge(key, "INV-1", amount, "EUR").unwrap();
        assert_eq!(charge("k", 5), Charged::Now(1));
        assert_eq!(charge("k", 5), Charged::Before(1));
        assert_eq!(charge("k", 6), Charged::KeyReused);
        let store = Store::open(&path).unwrap();
        assert!(store.knows("k").unwrap() && !store.knows("other").unwrap());
        assert_eq!((store.executed().unwrap().len(), store.replays().unwrap()), (1, 1));
    }

    #[test]
    fn another_key_charges_again_whatever_the_invoice() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("provider.db")).unwrap();
        store.charge("a", "INV-1", 5, "EUR").unwrap();
        store.charge("b", "INV-1", 5, "EUR").unwrap();
        assert_eq!(store.executed().unwrap().len(), 2);
    }
}
