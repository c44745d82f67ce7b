//! When the leader goes without a word.

use std::time::Duration;

use super::fixture::Fixture;
use super::support::{
    Campaign, LastClaim, assert_no_overlap, first_claim, lead, lead_again, records, renewed,
};
use crate::Loss;
use crate::clock::Instant;

/// After a crash the next candidate leads within the bound, and not before the crashed one's deadline.
pub async fn a_successor_leads_in_time_after_a_crash(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    renewed(&leader).await;
    let claim = LastClaim::watch(leader.handle());
    first.crash();
    let successor = waiting.wins(fixture.takeover_bound()).await;
    let claimed = first_claim(&successor);
    assert_no_overlap(claim.at(fixture.ttl()).await, claimed);
    assert!(successor.token() > leader.token());
}

/// A leader that is cut off is over no later than its successor's first claim.
pub async fn a_severed_leader_is_over_before_its_successor_claims(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    for round in 0..3 {
        let leader = lead_again(&*first, &election).await;
        let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
        // Once on the session as it was opened, then on a deadline that renewals have moved.
        if round > 0 {
            renewed(&leader).await;
        }
        let claim = LastClaim::watch(leader.handle());
        first.sever();
        let successor = waiting.wins(fixture.takeover_bound()).await;
        let claimed = first_claim(&successor);
        assert_no_overlap(claim.at(fixture.ttl()).await, claimed);
        assert!(matches!(leader.check(), Err(Loss::Unproven | Loss::SessionExpired)), "{leader:?}");
        first.heal().await;
        // The old leader hears of the service again, and its resign harms nobody.
        drop(leader);
        assert!(successor.check().is_ok());
        successor.resign().await.expect("confirmed");
        records(fixture, &election, 0, fixture.prompt()).await;
    }
}

/// An outage of a small part of the TTL costs nobody the seat.
pub async fn a_short_outage_costs_nobody_the_seat(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let mut waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    first.sever();
    second.sever();
    // No event marks the middle of an outage: this is its length.
    tokio::time::sleep(fixture.ttl() / 8).await;
    first.heal().await;
    second.heal().await;
    // Renewals come through again.
    renewed(&leader).await;
    waiting.keeps_waiting().await;
    leader.resign().await.expect("confirmed");
    assert!(waiting.wins(fixture.prompt()).await.check().is_ok());
}

/// A graceful handover is far faster than a takeover: no TTL passes.
pub async fn a_handover_is_far_faster_than_a_takeover(fixture: &dyn Fixture) {
    const HANDOVERS: usize = 7;
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..HANDOVERS {
        let leader = lead(&*first, &election).await;
        let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
        let start = Instant::now();
        leader.resign().await.expect("confirmed");
        let successor = waiting.wins(fixture.prompt()).await;
        times.push(Instant::now().saturating_duration_since(start));
        successor.resign().await.expect("confirmed");
    }
    times.sort();
    // The median: a machine that is busy for a moment breaks no law.
    let (median, bound) = (times[HANDOVERS / 2], fixture.ttl() / 5);
    assert!(median < bound, "handovers took {times:?}, the bound is {bound:?}");
}

/// A crashed waiter keeps the queue up for no longer than a takeover takes.
pub async fn a_crashed_waiter_is_passed_over(fixture: &dyn Fixture) {
    let (first, second, third) = (fixture.process().await, fixture.process().await, fixture.process().await);
    let election = fixture.election("e");
    let leader = lead(&*first, &election).await;
    let _crashed = Campaign::queued(fixture, &*second, &election, 2).await;
    let mut waiting = Campaign::queued(fixture, &*third, &election, 3).await;
    second.crash();
    leader.resign().await.expect("confirmed");
    let successor = waiting.result(fixture.takeover_bound(), "the waiter behind a crashed one").await;
    assert!(successor.expect("elected").check().is_ok());
}
