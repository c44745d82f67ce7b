//! The bug zoo of `billing`: each planted defect must be found by the account.
#![cfg(feature = "raft")]

use crate::run::{Case, Outcome};

async fn planted(defect: &str) -> (Case, Outcome) {
    let case = Case::new(20);
    let outcome = case.run(&["--rounds", "4", "--seed", "2", "--plant", defect]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.out.contains("THE ACCOUNT IS NOT SETTLED"), "{outcome:#?}");
    (case, outcome)
}

#[tokio::test]
async fn a_key_that_contains_the_token_charges_twice() {
    let (case, outcome) = planted("key-with-token").await;
    let twice = case.charges().iter().filter(|(_, count)| *count > 1).count();
    assert!(twice > 0, "the schedule must provoke it: {outcome:#?}");
    assert!(outcome.row("double charges") >= 1, "{outcome:#?}");
    assert!(outcome.out.contains("CHARGED 2 TIMES"), "{outcome:#?}");
}

#[tokio::test]
async fn without_the_fence_a_leader_of_the_past_writes() {
    let (_, outcome) = planted("no-fence").await;
    assert_eq!(outcome.row("fenced"), 0, "{outcome:#?}");
    assert!(outcome.out.contains("settled twice, under the tokens"), "{outcome:#?}");
}

#[tokio::test]
async fn no_answer_taken_for_a_failure_misses_invoices() {
    let (_, outcome) = planted("unknown-is-failure").await;
    assert!(outcome.row("missed") >= 1, "{outcome:#?}");
    assert!(outcome.out.contains("declined in the ledger"), "{outcome:#?}");
}
