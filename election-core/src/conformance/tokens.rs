//! Tokens strictly increase, whatever happens between two leaderships.

use super::fixture::{Fixture, Process};
use super::support::{Campaign, PATIENCE, lead, lead_again, records, within};
use crate::{ElectionName, FencingToken};

/// Wins, notes the token, resigns.
async fn draw(process: &dyn Process, election: &ElectionName, last: &mut Option<FencingToken>, when: &str) {
    let leader = lead(process, election).await;
    assert!(Some(leader.token()) > *last, "{when}: {} after {last:?}", leader.token());
    *last = Some(leader.token());
    leader.resign().await.expect("confirmed");
}

/// Tokens increase when the same process wins again, and from process to process.
pub async fn tokens_increase_from_leadership_to_leadership(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let mut last = None;
    for _ in 0..5 {
        draw(&*first, &election, &mut last, "the same process again").await;
        draw(&*first, &election, &mut last, "the same process again").await;
        draw(&*second, &election, &mut last, "another process").await;
    }
}

/// Tokens increase over a crash and over an expiry.
pub async fn tokens_increase_over_a_loss(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let crashed = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    first.crash();
    let successor = waiting.wins(fixture.takeover_bound()).await;
    assert!(successor.token() > crashed.token());
    second.expire().await;
    within(fixture.takeover_bound(), "the loss of an expired leadership", successor.lost()).await;
    assert!(lead_again(&*second, &election).await.token() > successor.token());
}

/// Tokens increase when the election was removed with all that the service kept for it.
pub async fn tokens_increase_over_the_removal_of_an_election(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let mut last = None;
    for _ in 0..3 {
        // Several, so that a counter that begins anew would fall behind.
        for _ in 0..3 {
            draw(&*first, &election, &mut last, "before the removal").await;
        }
        fixture.remove_election(&election).await;
        draw(&*second, &election, &mut last, "after the removal").await;
        fixture.remove_election(&election).await;
        draw(&*first, &election, &mut last, "after the removal").await;
    }
}

/// Removing an election deposes who leads it, and campaigns go on in it.
pub async fn an_election_that_is_removed_begins_anew(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    fixture.remove_election(&election).await;
    within(fixture.prompt(), "the loss of a leadership that was removed", leader.lost()).await;
    let successor = lead(&*second, &election).await;
    assert!(successor.token() > leader.token());
    drop(leader);
    let next = Campaign::queued(fixture, &*first, &election, 2).await;
    successor.resign().await.expect("confirmed");
    assert!(next.wins(fixture.prompt()).await.check().is_ok());
}

/// Many candidates with a changing order: no token is given twice, and each is above the one before.
pub async fn tokens_are_unique_under_contention(fixture: &dyn Fixture) {
    const WINS: usize = 8;
    let election = fixture.election("e");
    let tokens = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut workers = Vec::new();
    for _ in 0..3 {
        let process = fixture.process().await;
        let (tokens, election) = (tokens.clone(), election.clone());
        workers.push(tokio::spawn(async move {
            for _ in 0..WINS {
                let leader = lead(&*process, &election).await;
                // Noted while it leads, so the notes are in the order of the leaderships.
                tokens.lock().expect("no panic").push(leader.token());
                leader.resign().await.expect("confirmed");
            }
        }));
    }
    for worker in workers {
        within(PATIENCE, "three workers that take turns", worker).await.expect("no panic");
    }
    let tokens = tokens.lock().expect("no panic").clone();
    assert_eq!(tokens.len(), 3 * WINS);
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    records(fixture, &election, 0, fixture.prompt()).await;
}
