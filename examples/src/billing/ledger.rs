//! The ledger: the service's SQLite database, with the fence in it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use election_core::gate::{FenceGate, Fenced, SqlGate};
use election_core::{ElectionName, FencingToken};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::invoices::Invoice;
use super::money::{Currency, Money};

/// What became of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Charged: the provider's number of the charge.
    Paid(i64),
    /// The provider refused it for good. Nothing was charged.
    Declined,
}

/// Who writes: the leader of this election, under this token.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The election.
    pub election: ElectionName,
    /// The token.
    pub token: FencingToken,
    /// The worker's name, for people.
    pub worker: String,
}

/// An invoice and its state, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The invoice's number.
    pub id: String,
    /// What was to be charged.
    pub amount: Money,
    /// `None` while unpaid.
    pub settlement: Option<Settlement>,
}

/// A write that the ledger has accepted, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The invoice's number.
    pub invoice: String,
    /// Under which token.
    pub token: u64,
}

/// What an import did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Invoices that are new.
    pub new: u64,
    /// Invoices that the ledger held already.
    pub known: u64,
    /// Numbers that the ledger holds with another amount or customer; the ledger's stays.
    pub conflicting: Vec<String>,
}

/// One connection to the ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    fenced: bool,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS invoices (
        id TEXT NOT NULL PRIMARY KEY, customer TEXT NOT NULL,
        amount INTEGER NOT NULL CHECK (amount > 0), currency TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'unpaid' CHECK (state IN ('unpaid', 'paid', 'declined')),
        charge INTEGER, CHECK ((state = 'paid') = (charge IS NOT NULL)));
    CREATE INDEX IF NOT EXISTS unpaid ON invoices (state) WHERE state = 'unpaid';
    CREATE TABLE IF NOT EXISTS accepted (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, invoice TEXT NOT NULL REFERENCES invoices (id),
        token INTEGER NOT NULL, worker TEXT NOT NULL);";

impl Ledger {
    /// Opens the ledger, and creates it if there is none.
    ///
    /// # Errors
    /// If the file is no ledger or cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let open = || -> anyhow::Result<Connection> {
            let connection = Connection::open(path)?;
            // A leader that is paused in its transaction blocks the others; they wait, then try again.
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            // FULL: what was committed survives a loss of power.
            connection.pragma_update(None, "synchronous", "full")?;
            connection.execute_batch(SCHEMA)?;
            SqlGate::create_table(&connection)?;
            Ok(connection)
        };
        let connection = open().with_context(|| format!("cannot open the ledger {}", path.display()))?;
        Ok(Self { connection, fenced: true })
    }

    /// The same ledger without its fence: a planted defect.
    #[must_use]
    pub fn without_fence(self) -> Self {
        Self { fenced: false, ..self }
    }

    /// Takes invoices in, all or none; those that it holds already stay as they are.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn import(&mut self, invoices: &[Invoice]) -> anyhow::Result<Imported> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut imported = Imported::default();
        {
            let mut insert = tx.prepare(
                "INSERT INTO invoices (id, customer, amount, currency) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            let mut same = tx.prepare(
                "SELECT count(*) FROM invoices WHERE id = ?1 AND customer = ?2 AND amount = ?3 AND currency = ?4",
            )?;
            for Invoice { id, customer, amount } in invoices {
                let row = (id, customer, amount.minor, amount.currency.code());
                if insert.execute(row)? > 0 {
                    imported.new += 1;
                } else if same.query_row(row, |row| row.get::<_, i64>(0))? > 0 {
                    imported.known += 1;
                } else {
                    imported.conflicting.push(id.clone());
                }
            }
        }
        tx.commit()?;
        Ok(imported)
    }

    /// Admits the writer's token, then reads the next unpaid invoices: in one transaction, so that no leader
    /// of the past can still settle what this one is about to charge.
    ///
    /// # Errors
    /// With [`Fenced`] in its chain if a newer leader has been here; or if the database refuses.
    pub fn unpaid(&mut self, writer: &Writer, limit: usize) -> anyhow::Result<Vec<Invoice>> {
        let fenced = self.fenced;
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        admit(fenced, &tx, writer)?;
        let invoices = {
            let mut select = tx.prepare_cached(
                "SELECT id, customer, amount, currency FROM invoices WHERE state = 'unpaid' ORDER BY rowid LIMIT ?1",
            )?;
            let mut rows = select.query([i64::try_from(limit)?])?;
            let mut invoices = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, customer) = (row.get(0)?, row.get(1)?);
                invoices.push(Invoice {
                    id,
                    customer,
                    amount: money(row.get(2)?, &row.get::<_, String>(3)?)?,
                });
            }
            invoices
        };
        tx.commit()?;
        Ok(invoices)
    }

    /// Writes an outcome back: the fence's check and the write commit together.
    ///
    /// `before_commit` is called in the transaction; a test dies there.
    ///
    /// # Errors
    /// With [`Fenced`] in its chain if a newer leader has been here: nothing is written. Or if the database
    /// refuses.
    pub fn settle(
        &mut self,
        writer: &Writer,
        invoice: &str,
        outcome: Settlement,
        before_commit: impl FnOnce(),
    ) -> anyhow::Result<()> {
        let fenced = self.fenced;
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        admit(fenced, &tx, writer)?;
        let (state, charge) = match outcome {
            Settlement::Paid(charge) => ("paid", Some(charge)),
            Settlement::Declined => ("declined", None),
        };
        tx.prepare_cached("UPDATE invoices SET state = ?2, charge = ?3 WHERE id = ?1")?
            .execute((invoice, state, charge))?;
        tx.prepare_cached("INSERT INTO accepted (invoice, token, worker) VALUES (?1, ?2, ?3)")?.execute((
            invoice,
            i64::try_from(writer.token.get())?,
            &writer.worker,
        ))?;
        before_commit();
        tx.commit()?;
        Ok(())
    }

    /// How many invoices are settled, and how many there are.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn progress(&self) -> anyhow::Result<(u64, u64)> {
        let count = |sql| self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let total = count("SELECT count(*) FROM invoices")?;
        let unpaid = count("SELECT count(*) FROM invoices WHERE state = 'unpaid'")?;
        Ok((u64::try_from(total - unpaid)?, u64::try_from(total)?))
    }

    /// All invoices, in the order in which they came.
    ///
    /// # Errors
    /// If the database refuses, or holds what it never wrote.
    pub fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let mut select = self
            .connection
            .prepare("SELECT id, amount, currency, state, charge FROM invoices ORDER BY rowid")?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let amount = money(row.get(1)?, &row.get::<_, String>(2)?)?;
            let settlement = match row.get::<_, String>(3)?.as_str() {
                "paid" => Some(Settlement::Paid(row.get(4)?)),
                "declined" => Some(Settlement::Declined),
                _ => None,
            };
            found.push(Row { id: row.get(0)?, amount, settlement });
        }
        Ok(found)
    }

    /// Every write that was accepted, in order.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn accepted(&self) -> anyhow::Result<Vec<Accepted>> {
        let mut select = self.connection.prepare("SELECT invoice, token FROM accepted ORDER BY seq")?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Accepted { invoice: row.get(0)?, token: u64::try_from(row.get::<_, i64>(1)?)? });
        }
        Ok(found)
    }
}

fn admit(fenced: bool, tx: &Transaction<'_>, writer: &Writer) -> anyhow::Result<()> {
    if fenced {
        SqlGate::new(tx).admit(&writer.election, writer.token)?;
    }
    Ok(())
}

fn money(minor: i64, code: &str) -> anyhow::Result<Money> {
    let currency = Currency::parse(code).map_err(|reason| anyhow::anyhow!("the ledger holds an {reason}"))?;
    Ok(Money { minor, currency })
}

/// The fence's refusal behind an error, if that is what it is.
#[must_use]
pub fn fenced(error: &anyhow::Error) -> Option<Fenced> {
    error.chain().find_map(|cause| cause.downcast_ref().copied())
}
