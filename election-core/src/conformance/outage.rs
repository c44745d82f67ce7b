//! When the service itself stops and starts again. These laws need a service of their own.

use super::fixture::Fixture;
use super::observe::Observer;
use super::support::{Campaign, LastClaim, PATIENCE, candidate, elector, lead, lead_again, records, within};
use crate::clock::Instant;
use crate::{ElectorExt, LeaderEvent};

/// An observer says `Disconnected` meanwhile, and goes on by itself, past states that it missed.
pub async fn observers_survive_a_restart(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    let mut observer = Observer::new(&*watching, &election);
    let mut elsewhere = Observer::new(&*watching, &fixture.election("empty"));
    observer.sees(leader.token()).await;
    assert_eq!(elsewhere.next().await, LeaderEvent::Vacant);
    fixture.stop_service().await;
    let known = observer.sees_disconnection().await.expect("it had seen a leader");
    assert_eq!(known.token, leader.token());
    assert_eq!(elsewhere.sees_disconnection().await, None);
    // Begun in the outage: the first item says what is known, which is nothing.
    let mut late = Observer::new(&*watching, &election);
    assert_eq!(late.sees_disconnection().await, None);
    fixture.start_service().await;
    elsewhere.sees_vacancy().await;
    let token = leader.token();
    drop(leader);
    let next = lead_again(&*process, &election).await;
    assert!(next.token() > token);
    observer.sees(next.token()).await;
    late.sees(next.token()).await;
    next.resign().await.expect("confirmed");
    observer.sees_vacancy().await;
    late.sees_vacancy().await;
}

/// A campaign fails in time while the service is down; `lead` waits for it and goes on by itself.
pub async fn lead_goes_on_when_the_service_comes_back(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    fixture.stop_service().await;
    let error = Campaign::start(&*process, &election).fails(fixture.unreachable_bound()).await;
    assert!(error.is_retryable(), "{error}");
    let elector = elector(&*process, &election);
    let leading = tokio::spawn(async move {
        elector.lead(candidate("c"), |leadership| async move { leadership.check() }).await
    });
    fixture.start_service().await;
    let bound = fixture.unreachable_bound() + fixture.takeover_bound();
    let checked = within(bound, "lead, once the service is back", leading).await;
    assert!(checked.expect("no panic").expect("led").is_ok());
    records(fixture, &election, 0, fixture.takeover_bound()).await;
}

/// No claim outlives its deadline while the service is down, and tokens increase over the restart.
pub async fn claims_end_and_tokens_increase_over_a_restart(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    let claim = LastClaim::watch(leader.handle());
    fixture.stop_service().await;
    let stopped = Instant::now();
    let lasted = claim.at(fixture.ttl() * 2).await.saturating_duration_since(stopped);
    assert!(lasted < fixture.ttl(), "it claimed for {lasted:?} after the service had stopped");
    fixture.start_service().await;
    let next = lead_again(&*process, &election).await;
    assert!(next.token() > leader.token());
    drop(leader);
    assert!(next.check().is_ok());
    records(fixture, &election, 1, fixture.takeover_bound()).await;
}

/// After an outage of whatever length the work goes on: everybody who wants to lead gets a turn.
pub async fn everybody_gets_a_turn_after_a_restart(fixture: &dyn Fixture) {
    let (first, election) = (fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let mut processes = Vec::new();
    let mut turns = Vec::new();
    for place in 2..=4 {
        let process = fixture.process().await;
        let elector = elector(&*process, &election);
        turns.push(tokio::spawn(async move {
            elector.lead(candidate("c"), |leadership| async move { leadership.token() }).await
        }));
        records(fixture, &election, place, PATIENCE).await;
        processes.push(process);
    }
    fixture.stop_service().await;
    fixture.start_service().await;
    drop(leader);
    let mut tokens = Vec::new();
    for turn in turns {
        let bound = fixture.takeover_bound() * 2 + PATIENCE;
        tokens.push(within(bound, "a turn after the restart", turn).await.expect("no panic").expect("led"));
    }
    tokens.sort();
    assert!(tokens.is_sorted_by(|a, b| a < b), "a token was given twice: {tokens:?}");
    records(fixture, &election, 0, fixture.takeover_bound()).await;
}
