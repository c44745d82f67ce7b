//! Death at every point of the unit of work: no row is lost, nothing is charged twice.
#![cfg(feature = "raft")]

use crate::run::Case;

/// Every worker that gets to `point` dies there the first time, so nothing is settled before one has.
async fn die_at(point: &str) {
    let case = Case::new(12);
    let outcome = case.run(&["--rounds", "0", "--crash-at", point]).await;
    outcome.settled();
    case.assert_charged_once(12);
    assert!(outcome.row("unplanned exits") >= 1, "{outcome:#?}");
}

#[tokio::test]
async fn before_the_charge() {
    die_at("before-charge").await;
}

#[tokio::test]
async fn after_the_charge_before_the_write() {
    die_at("after-charge").await;
}

#[tokio::test]
async fn in_the_transaction() {
    die_at("in-transaction").await;
}

#[tokio::test]
async fn after_the_commit() {
    die_at("after-commit").await;
}
