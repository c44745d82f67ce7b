//! One session carries many candidacies; when it goes, all of them go, and a new one takes its place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fixture::Fixture;
use super::support::{Campaign, PATIENCE, candidate, elector, eventually, lead, lead_again, records, within};
use crate::clock::Instant;
use crate::{Kind, Leadership};

/// A session that expires while a candidate waits fails that campaign with `SessionLost`: it never hangs.
pub async fn an_expired_session_fails_its_waiting_campaign(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    second.expire().await;
    let error = waiting.fails(fixture.takeover_bound()).await;
    assert_eq!(error.kind(), Kind::SessionLost, "{error}");
    records(fixture, &election, 1, fixture.prompt()).await;
    assert!(leader.check().is_ok());
}

/// It never wins either: the leader's resign right after the expiry elects the next one, not a phantom.
pub async fn a_candidate_whose_session_has_gone_never_wins(fixture: &dyn Fixture) {
    let (first, second, third) = (fixture.process().await, fixture.process().await, fixture.process().await);
    let election = fixture.election("e");
    let leader = lead(&*first, &election).await;
    let gone = Campaign::queued(fixture, &*second, &election, 2).await;
    let next = Campaign::queued(fixture, &*third, &election, 3).await;
    second.expire().await;
    leader.resign().await.expect("confirmed");
    let next = next.wins(fixture.takeover_bound()).await;
    let error = gone.fails(fixture.takeover_bound()).await;
    assert_eq!(error.kind(), Kind::SessionLost, "{error}");
    assert!(next.check().is_ok());
    records(fixture, &election, 1, fixture.prompt()).await;
}

/// A waiting candidate that is cut off for longer than the TTL fails, even though nobody tells it.
pub async fn a_severed_waiter_fails_by_its_own_clock(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    second.sever();
    let error = waiting.fails(fixture.unreachable_bound()).await;
    assert!(error.is_retryable(), "{error}");
    records(fixture, &election, 1, fixture.takeover_bound()).await;
    second.heal().await;
    let again = Campaign::queued_again(fixture, &*second, &election, 2).await;
    leader.resign().await.expect("confirmed");
    assert!(again.wins(fixture.prompt()).await.check().is_ok());
}

/// A waiting candidate whose own record is deleted fails with `SessionLost` and never wins.
pub async fn a_waiter_whose_record_is_deleted_fails(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    if !fixture.delete_last_record(&election).await {
        return;
    }
    let error = waiting.fails(fixture.prompt()).await;
    assert_eq!(error.kind(), Kind::SessionLost, "{error}");
    assert_eq!(fixture.records(&election).await, 1);
    // Its session is none the worse for it.
    let again = Campaign::queued(fixture, &*second, &election, 2).await;
    leader.resign().await.expect("confirmed");
    assert!(again.wins(fixture.prompt()).await.check().is_ok());
}

/// A waiter whose record and whose leader's record go at once does not become a phantom.
pub async fn a_waiter_without_a_record_is_no_phantom(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    if !fixture.delete_last_record(&election).await {
        return;
    }
    fixture.delete_record(&election, leader.token()).await;
    let error = waiting.fails(fixture.prompt()).await;
    assert_eq!(error.kind(), Kind::SessionLost, "{error}");
    assert_eq!(fixture.records(&election).await, 0);
}

/// After an expiry the same coordinator campaigns again, on a new session.
pub async fn a_new_session_takes_the_place_of_an_expired_one(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let mut token = None;
    for _ in 0..3 {
        let leader = lead_again(&*process, &election).await;
        assert!(Some(leader.token()) > token);
        token = Some(leader.token());
        assert_eq!(leader.check(), Ok(leader.token()));
        process.expire().await;
        records(fixture, &election, 0, fixture.prompt()).await;
    }
}

/// Sessions that end again and again, whatever is under way: every leadership has a higher token than the one before,
/// and when the storm is over everybody leads again and nothing of it is left.
pub async fn a_storm_of_expiries_leaves_nothing(fixture: &dyn Fixture) {
    const EXPIRIES: usize = 16;
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let claimed = Arc::new(Mutex::new(Vec::new()));
    let mut storm = JoinSet::new();
    // Three of each process: one leads, the others wait, and an expiry may come at any point of a campaign.
    for process in [&first, &second, &first, &second, &first, &second] {
        let (elector, claimed) = (elector(&**process, &election), claimed.clone());
        storm.spawn(async move {
            loop {
                match elector.campaign(candidate("in-the-storm")).await {
                    Ok(leadership) => {
                        // Checked under the lock, and claims do not overlap: so the order is that of the claims.
                        if let (mut claimed, Ok(token)) =
                            (claimed.lock().expect("no panic"), leadership.check())
                        {
                            claimed.push(token);
                        }
                        leadership.lost().await;
                    }
                    Err(error) if error.is_retryable() => sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    for expiry in 0..EXPIRIES {
        [&first, &second][expiry % 2].expire().await;
    }
    // The last expiry may have hit the one who waited: then whoever led before goes on.
    eventually(fixture.takeover_bound() * 2, "leaderships in the storm", || async {
        claimed.lock().expect("no panic").len() >= EXPIRIES / 4
    })
    .await;
    storm.shutdown().await;
    let claimed = claimed.lock().expect("no panic").clone();
    assert!(claimed.is_sorted_by(|a, b| a < b), "tokens in the order of the claims: {claimed:?}");
    records(fixture, &election, 0, fixture.takeover_bound()).await;
    for process in [&first, &second] {
        lead_again(&**process, &election).await.resign().await.expect("confirmed");
    }
}

/// A thousand elections on one session: all are led, on one stream of renewals, and all end with it.
pub async fn a_thousand_elections_share_one_session(fixture: &dyn Fixture) {
    const ELECTIONS: usize = 1000;
    let process = fixture.process().await;
    let campaign = |i| {
        let election = fixture.election(&format!("e{i}"));
        let elector = elector(&*process, &election);
        async move { elector.campaign(candidate("many")).await.expect("elected") }
    };
    let campaigns = stream::iter(0..ELECTIONS).map(campaign).buffer_unordered(32);
    let bound = PATIENCE * 2;
    let led: Vec<Leadership> = within(bound, "a thousand campaigns", campaigns.collect()).await;
    let start = Instant::now();
    assert_all_share_one_deadline(&led, fixture.ttl()).await;
    let beyond = led[0].now() + fixture.ttl();
    let what = "renewals that carry a thousand elections past their first TTL";
    eventually(fixture.ttl() * 3, what, || async { led[0].valid_until().expect("valid") > beyond }).await;
    assert!(Instant::now() > start);
    assert_all_share_one_deadline(&led, fixture.ttl()).await;
    assert_eq!(fixture.records(&fixture.election("e999")).await, 1);
    process.expire().await;
    for leadership in &led {
        within(fixture.takeover_bound(), "the loss of each of a thousand", leadership.lost()).await;
    }
    assert_eq!(fixture.records(&fixture.election("e0")).await, 0);
}

/// One session is one deadline: all leaderships have the same, at any moment between two renewals.
async fn assert_all_share_one_deadline(led: &[Leadership], bound: Duration) {
    eventually(bound, "one deadline of all elections of a session", || async {
        let deadlines = led.iter().map(|one| one.valid_until().expect("valid"));
        let deadlines: Vec<_> = deadlines.collect();
        deadlines.iter().all(|one| *one == deadlines[0])
    })
    .await;
}
