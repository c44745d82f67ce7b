//! When one process cannot reach the service.

use super::fixture::Fixture;
use super::support::{Campaign, candidate, elector, lead, lead_again, records, within};
use crate::ElectorExt;

/// A campaign that cannot reach the service fails in a bounded time, with a retryable error, and leaves
/// nothing behind.
pub async fn an_unreachable_service_is_a_retryable_error_in_time(fixture: &dyn Fixture) {
    let (process, other, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    // Once with a session that is still proven, once without.
    lead(&*process, &election).await.resign().await.expect("confirmed");
    process.sever();
    for _ in 0..2 {
        let error = Campaign::start(&*process, &election).fails(fixture.unreachable_bound()).await;
        assert!(error.is_retryable(), "{error}");
    }
    process.heal().await;
    let after = Campaign::start(&*other, &election).wins(fixture.takeover_bound()).await;
    // What was held back on the link may arrive now; it is taken back within the TTL.
    records(fixture, &election, 1, fixture.takeover_bound()).await;
    after.resign().await.expect("confirmed");
    assert!(lead_again(&*process, &election).await.check().is_ok());
}

/// `lead` goes on by itself once the service can be reached.
pub async fn lead_goes_on_when_the_link_is_mended(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    process.sever();
    let elector = elector(&*process, &election);
    let error =
        within(fixture.unreachable_bound(), "a campaign in vain", elector.campaign(candidate("c"))).await;
    assert!(error.expect_err("severed").is_retryable());
    let leading = tokio::spawn(async move {
        elector.lead(candidate("c"), |leadership| async move { leadership.check() }).await
    });
    process.heal().await;
    let checked = within(fixture.unreachable_bound(), "lead, once the link is mended", leading).await;
    assert!(checked.expect("no panic").expect("led").is_ok());
    records(fixture, &election, 0, fixture.prompt()).await;
}

/// A waiting candidate keeps its place through an outage shorter than the TTL.
pub async fn a_waiter_keeps_its_place_through_a_short_outage(fixture: &dyn Fixture) {
    let (first, second, third) = (fixture.process().await, fixture.process().await, fixture.process().await);
    let election = fixture.election("e");
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    let last = Campaign::queued(fixture, &*third, &election, 3).await;
    second.sever();
    // The news of its election cannot reach it: nobody may depend on it.
    leader.resign().await.expect("confirmed");
    second.heal().await;
    let waiting = waiting.wins(fixture.takeover_bound()).await;
    assert!(!last.is_over());
    drop(waiting);
    assert!(last.wins(fixture.prompt()).await.check().is_ok());
}
