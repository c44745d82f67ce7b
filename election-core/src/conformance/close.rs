//! Closing a coordinator ends everything of its process.

use super::fixture::Fixture;
use super::support::{Campaign, LastClaim, PATIENCE, candidate, elector, lead, records, within};
use crate::clock::Instant;
use crate::{Kind, Loss};

/// Claims, waiting campaigns and records end; later campaigns are `Closed`; a second close is no error.
pub async fn close_ends_everything(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let (leader, other) = (lead(&*first, &election).await, lead(&*first, &fixture.election("other")).await);
    let own = Campaign::queued(fixture, &*first, &election, 2).await;
    let next = Campaign::queued(fixture, &*second, &election, 3).await;
    let before = elector(&*first, &election);
    within(PATIENCE, "close", first.coordinator().close()).await.expect("confirmed");
    assert_eq!(leader.check(), Err(Loss::Closed));
    assert_eq!(other.check(), Err(Loss::Closed));
    let error = own.fails(fixture.prompt()).await;
    assert_eq!(error.kind(), Kind::Closed, "{error}");
    let next = next.wins(fixture.prompt()).await;
    records(fixture, &election, 1, fixture.prompt()).await;
    records(fixture, &fixture.election("other"), 0, fixture.prompt()).await;
    for elector in [before, elector(&*first, &election)] {
        let campaign = within(PATIENCE, "a campaign after close", elector.campaign(candidate("late"))).await;
        assert_eq!(campaign.expect_err("closed").kind(), Kind::Closed);
    }
    within(PATIENCE, "a second close", first.coordinator().close()).await.expect("no error");
    // A resign and a drop afterwards harm nobody.
    assert_eq!(leader.resign().await.expect_err("it had ended").kind(), Kind::NotLeader);
    drop(other);
    assert!(next.check().is_ok());
    assert_eq!(fixture.records(&election).await, 1);
}

/// Close behind a severed link ends the claims at once and itself in a bounded time.
pub async fn close_behind_a_severed_link_ends_in_time(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    let claim = LastClaim::watch(leader.handle());
    first.sever();
    let (start, coordinator) = (Instant::now(), first.coordinator().clone());
    let closed = tokio::spawn(async move { coordinator.close().await });
    let lasted = claim.at(fixture.prompt()).await.saturating_duration_since(start);
    assert!(lasted < fixture.prompt(), "it claimed for {lasted:?} after close was called");
    // Confirmed it cannot be; that it says so, and when, is what counts.
    let closed = within(fixture.unreachable_bound(), "close behind a severed link", closed).await;
    assert!(closed.expect("no panic").is_err());
    assert!(waiting.wins(fixture.takeover_bound()).await.check().is_ok());
}

/// A close whose future is dropped closes all the same.
pub async fn a_close_that_is_dropped_closes(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    let coordinator = process.coordinator().clone();
    let _ = super::support::drop_at_poll(async move { coordinator.close().await }, 1).await;
    assert_eq!(leader.check(), Err(Loss::Closed));
    records(fixture, &election, 0, fixture.prompt()).await;
}
