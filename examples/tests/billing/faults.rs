//! The demo itself, on embedded Raft.
#![cfg(feature = "raft")]

use crate::run::{Case, billing};

#[tokio::test]
async fn six_rounds_of_faults_charge_every_invoice_once() {
    let case = Case::new(40);
    let outcome = case.run(&["--rounds", "6", "--seed", "11"]).await;
    outcome.settled();
    case.assert_charged_once(40);
    // What the run is about must have happened: two faults of each kind, and both paused leaders were fenced.
    assert_eq!((outcome.row("takeovers"), outcome.row("killed")), (6, 2), "{outcome:#?}");
    assert_eq!((outcome.row("paused"), outcome.row("resigned")), (2, 2), "{outcome:#?}");
    assert!(outcome.row("fenced") >= 2, "{outcome:#?}");
    assert_eq!(outcome.row("failures"), 6, "{outcome:#?}");
    assert!(outcome.row("replays") >= 4, "a charge without an answer is asked for again: {outcome:#?}");
    assert!(!outcome.out.contains("unplanned"), "{outcome:#?}");
}

#[tokio::test]
async fn faults_go_on_when_nothing_is_left_to_charge() {
    let case = Case::new(2);
    let outcome = case.run(&["--rounds", "4", "--seed", "3"]).await;
    outcome.settled();
    case.assert_charged_once(2);
    assert_eq!(outcome.row("takeovers"), 4, "{outcome:#?}");
}

#[tokio::test]
async fn bad_rows_are_reported_and_the_rest_is_billed() {
    let case = Case::new(0);
    case.write(1..=5, "INV-9,C,-1,EUR\nINV-2,C,1,EUR\n");
    let outcome = case.run(&["--rounds", "0"]).await;
    outcome.settled();
    case.assert_charged_once(5);
    assert!(outcome.out.contains("rejected: line 7, column amount: -1 is negative"), "{outcome:#?}");
    assert!(outcome.out.contains("rejected: line 8, column id: \"INV-2\" was already given on line 3"));
    assert!(outcome.out.contains("2 rows of the file rejected"), "{outcome:#?}");
}

#[tokio::test]
async fn without_a_usable_file_there_is_a_message_and_no_run() {
    let case = Case::new(0);
    let outcome = case.run(&[]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.err.contains("no usable row"), "{outcome:#?}");
    let outcome = billing(&["--invoices", "/no/such.csv"]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.err.contains("/no/such.csv"), "{outcome:#?}");
}
