//! The laws over [`SqlGate`], and the one schedule that a check outside the transaction does not survive.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::*;

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    SqlGate::create_table(&connection).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS writes (seq INTEGER PRIMARY KEY AUTOINCREMENT, token INTEGER)",
        )
        .unwrap();
    connection
}

fn writes(connection: &Connection) -> Vec<u64> {
    let mut select = connection.prepare("SELECT token FROM writes ORDER BY seq").unwrap();
    let rows = select.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    rows.map(|value| u64::try_from(value.unwrap()).unwrap()).collect()
}

fn insert(connection: &Connection, value: u64) {
    connection.execute("INSERT INTO writes (token) VALUES (?1)", [i64::try_from(value).unwrap()]).unwrap();
}

/// As every leader should: the check and the write in one transaction.
fn write(connection: &mut Connection, value: u64) -> Result<()> {
    let tx = connection.transaction().unwrap();
    SqlGate::new(&tx).admit(&name("billing"), token(value))?;
    insert(&tx, value);
    tx.commit().unwrap();
    Ok(())
}

#[test]
fn the_gate_in_sql_keeps_the_laws() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open(&dir.path().join("ledger.db"));
    let tx = connection.transaction().unwrap();
    assert_eq!(deviation(&mut SqlGate::new(&tx)), None);
}

#[test]
fn a_write_that_is_rolled_back_leaves_no_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open(&dir.path().join("ledger.db"));
    write(&mut connection, 5).unwrap();
    let tx = connection.transaction().unwrap();
    SqlGate::new(&tx).admit(&name("billing"), token(9)).unwrap();
    drop(tx);
    write(&mut connection, 6).unwrap();
    assert_eq!(writes(&connection), [5, 6]);
}

#[test]
fn the_mark_outlives_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    write(&mut open(&path), 5).unwrap();
    let error = write(&mut open(&path), 4).unwrap_err();
    assert_eq!(Fenced::cause_of(&error), Some(Fenced { token: token(4), highest: token(5) }));
    assert_eq!(error.election_name(), Some(&name("billing")));
}

#[test]
fn the_largest_token_is_stored_and_one_more_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open(&dir.path().join("ledger.db"));
    let most = i64::MAX as u64;
    let tx = connection.transaction().unwrap();
    let mut gate = SqlGate::new(&tx);
    let error = gate.admit(&name("billing"), token(most + 1)).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig);
    assert!(error.to_string().contains("does not fit"), "{error}");
    gate.admit(&name("billing"), token(most)).unwrap();
    assert_eq!(gate.highest(&name("billing")).unwrap(), Some(token(most)));
}

#[test]
fn a_gate_without_its_table_or_with_a_locked_database_is_an_error_and_admits_nothing() {
    let mut bare = Connection::open_in_memory().unwrap();
    let tx = bare.transaction().unwrap();
    let error = SqlGate::new(&tx).admit(&name("billing"), token(1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Unexpected);
    assert!(error.to_string().contains("table"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let (mut holder, mut other) = (open(&path), open(&path));
    other.busy_timeout(Duration::ZERO).unwrap();
    let held = holder.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let error = write(&mut other, 1).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.is_retryable());
    drop(held);
    write(&mut other, 1).unwrap();
}

/// Runs `stale`, a write under token 1, in such a way that the successor writes under token 2 as soon as
/// the stale leader's check has passed; what is in the table afterwards, in order.
fn overtaken(stale: impl FnOnce(&mut Connection, &dyn Fn()) + Send) -> Vec<u64> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let mut first = open(&path);
    let (checked, told) = mpsc::channel();
    let (written, seen) = mpsc::channel();
    std::thread::scope(|threads| {
        let successor = threads.spawn({
            let path = path.clone();
            move || {
                let mut second = open(&path);
                told.recv().unwrap();
                write(&mut second, 2).unwrap();
                written.send(()).ok();
            }
        });
        stale(&mut first, &|| {
            checked.send(()).unwrap();
            // With the fence in the transaction the successor is held back, so this must not wait for it.
            seen.recv_timeout(Duration::from_millis(200)).ok();
        });
        successor.join().unwrap();
    });
    writes(&first)
}

#[test]
fn the_successor_waits_for_the_write_that_was_admitted() {
    let order = overtaken(|connection, checked| {
        let tx = connection.transaction().unwrap();
        SqlGate::new(&tx).admit(&name("billing"), token(1)).unwrap();
        checked();
        insert(&tx, 1);
        tx.commit().unwrap();
    });
    assert_eq!(order, [1, 2]);
}

#[test]
fn planted_a_check_outside_the_transaction_is_overtaken() {
    let order = overtaken(|connection, checked| {
        let tx = connection.transaction().unwrap();
        SqlGate::new(&tx).admit(&name("billing"), token(1)).unwrap();
        tx.commit().unwrap();
        checked();
        insert(connection, 1);
    });
    assert_eq!(out_of_order(&order), Some((2, 1)), "the schedule must find the defect");
}

#[test]
fn connections_never_write_out_of_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    open(&path);
    std::thread::scope(|threads| {
        for first in 1..=4 {
            let path = &path;
            threads.spawn(move || {
                let mut connection = open(path);
                for value in (first..200).step_by(4) {
                    if let Err(error) = write(&mut connection, value) {
                        assert!(Fenced::cause_of(&error).is_some(), "{error}");
                    }
                }
            });
        }
    });
    let order = writes(&open(&path));
    assert_eq!(out_of_order(&order), None);
    assert_eq!(order.last(), Some(&199));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_gate_in_sql_agrees_with_the_model(
        offers in prop::collection::vec((0..3_u8, prop_oneof![0..8_u64, any::<u64>()], any::<bool>()), 0..40)
    ) {
        let mut connection = Connection::open_in_memory().unwrap();
        SqlGate::create_table(&connection).unwrap();
        let mut model = HashMap::<u8, u64>::new();
        for (election, value, commit) in offers {
            let highest = model.get(&election).copied();
            let storable = i64::try_from(value).is_ok();
            let expected = storable && highest.is_none_or(|highest| value >= highest);
            let election_name = name(&format!("e{election}"));
            let tx = connection.transaction().unwrap();
            prop_assert_eq!(SqlGate::new(&tx).admit(&election_name, token(value)).is_ok(), expected);
            if commit {
                tx.commit().unwrap();
                if expected {
                    model.insert(election, value);
                }
            } else {
                tx.rollback().unwrap();
            }
            let tx = connection.transaction().unwrap();
            let seen = SqlGate::new(&tx).highest(&election_name).unwrap().map(FencingToken::get);
            prop_assert_eq!(seen, model.get(&election).copied());
        }
    }
}
