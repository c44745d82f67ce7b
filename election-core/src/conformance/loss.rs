//! Losing a seat: how it is told, and that it is final.

use super::fixture::Fixture;
use super::support::{Campaign, LastClaim, PATIENCE, lead, lead_again, records, renewed, within};
use crate::Loss;
use crate::clock::Instant;

/// `lost()` fires when the session expires, answers at once when asked late, and loss is final.
pub async fn an_expired_session_ends_its_leaderships_for_good(fixture: &dyn Fixture) {
    let (process, election, other) =
        (fixture.process().await, fixture.election("e"), fixture.election("other"));
    let (leader, second) = (lead(&*process, &election).await, lead(&*process, &other).await);
    let waiting = tokio::spawn({
        let handle = leader.handle();
        async move { handle.lost().await }
    });
    process.expire().await;
    let bound = fixture.takeover_bound();
    let told = within(bound, "lost() after an expiry", waiting).await.expect("no panic");
    assert!(matches!(told, Loss::SessionExpired | Loss::Deposed | Loss::Unproven), "{told:?}");
    within(bound, "lost() of the session's other leadership", second.lost()).await;
    let late = within(PATIENCE, "lost() asked late", leader.lost()).await;
    assert_eq!((leader.check(), late), (Err(told), told), "the first reason stays");
    // A new session and a new leadership of the same process do not revive the old one.
    let again = lead_again(&*process, &election).await;
    assert!(again.token() > leader.token());
    assert_eq!(leader.check(), Err(told));
    assert_eq!(leader.valid_until(), Err(told));
}

/// A process that is cut off is over by its own clock: within the TTL, for no renewal is proven any more.
pub async fn a_severed_leader_is_over_by_its_own_clock(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    renewed(&leader).await;
    let claim = LastClaim::watch(leader.handle());
    process.sever();
    // Whatever was proven was sent before this moment.
    let severed = Instant::now();
    let told = within(fixture.ttl() * 2, "lost() behind a severed link", leader.lost()).await;
    assert_eq!(leader.check(), Err(told));
    let lasted = claim.at(PATIENCE).await.saturating_duration_since(severed);
    assert!(lasted < fixture.ttl(), "it claimed for {lasted:?} after the link had broken");
    process.heal().await;
    let again = lead_again(&*process, &election).await;
    assert!(again.token() > leader.token());
    assert_eq!(leader.check(), Err(told));
}

/// Deleting a leader's record behind its back deposes it within a watch round trip, and the next one leads.
pub async fn a_deleted_record_deposes_its_leader(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let (leader, elsewhere) =
        (lead(&*first, &election).await, lead(&*first, &fixture.election("other")).await);
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    fixture.delete_record(&election, leader.token()).await;
    let told = within(fixture.prompt(), "lost() after the record was deleted", leader.lost()).await;
    assert_eq!(told, Loss::Deposed);
    assert_eq!(leader.check(), Err(Loss::Deposed));
    let successor = waiting.wins(fixture.prompt()).await;
    assert!(successor.token() > leader.token());
    // It was about that record, not about the session.
    assert!(elsewhere.check().is_ok());
    drop(leader);
    let next = Campaign::queued(fixture, &*first, &election, 2).await;
    assert!(successor.check().is_ok());
    successor.resign().await.expect("confirmed");
    let next = next.wins(fixture.prompt()).await;
    fixture.delete_record(&election, next.token()).await;
    assert_eq!(within(fixture.prompt(), "the second deposition", next.lost()).await, Loss::Deposed);
    records(fixture, &election, 0, fixture.prompt()).await;
}

/// A leader whose record is deleted while it is cut off is over by its deadline.
pub async fn a_deposed_leader_that_is_cut_off_ends_with_its_deadline(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    let claim = LastClaim::watch(leader.handle());
    process.sever();
    let severed = Instant::now();
    fixture.delete_record(&election, leader.token()).await;
    let lasted = claim.at(fixture.ttl() * 2).await.saturating_duration_since(severed);
    assert!(lasted < fixture.ttl(), "it claimed for {lasted:?} after the link had broken");
    process.heal().await;
    assert!(lead_again(&*process, &election).await.token() > leader.token());
}
