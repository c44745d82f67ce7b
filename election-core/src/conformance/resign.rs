//! Giving a seat up: by resign, by drop, in vain, too late.

use super::fixture::Fixture;
use super::support::{Campaign, PATIENCE, Stage, drop_at_poll, elector, eventually, lead, records, within};
use crate::{Kind, Loss};

/// A resigned leadership is over from the call on, its record is gone when it is confirmed.
pub async fn a_resigned_leadership_is_over(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    let handle = leader.handle();
    // Through the trait, as a wrapper would see it; the check fails before the first answer can have come.
    let elector = elector(&*process, &election);
    let mut resign = elector.resign(leader);
    if let Stage::Dropped = drop_at_poll(&mut resign, 1).await {
        assert_eq!(handle.check(), Err(Loss::Closed));
        within(PATIENCE, "the confirmation of a resign", resign).await.expect("confirmed");
    }
    assert_eq!(handle.check(), Err(Loss::Closed));
    assert_eq!(within(PATIENCE, "lost() asked late", handle.lost()).await, Loss::Closed);
    assert_eq!(fixture.records(&election).await, 0);
}

/// A resign whose future is dropped, at any await point, resigns all the same.
pub async fn a_resign_dropped_anywhere_resigns(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    for polls in 0.. {
        let leader = lead(&*process, &election).await;
        let handle = leader.handle();
        let stage = drop_at_poll(leader.resign(), polls).await;
        assert_eq!(handle.check(), Err(Loss::Closed), "dropped after {polls} polls");
        records(fixture, &election, 0, fixture.prompt()).await;
        if matches!(stage, Stage::Done(_)) {
            break;
        }
    }
}

/// A dropped leadership frees the seat, also when it is dropped outside of any runtime.
pub async fn a_dropped_leadership_frees_the_seat(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let handle = leader.handle();
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    std::thread::spawn(move || drop(leader)).join().expect("a drop never panics");
    assert_eq!(handle.check(), Err(Loss::Closed));
    let successor = waiting.wins(fixture.prompt()).await;
    assert!(successor.token() > handle.token());
    records(fixture, &election, 1, fixture.prompt()).await;
}

/// A resign of a leadership that has ended is `NotLeader` and harms nobody.
pub async fn a_late_resign_harms_nobody(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    first.expire().await;
    let successor = waiting.wins(fixture.takeover_bound()).await;
    within(PATIENCE, "the loss of an expired leadership", leader.lost()).await;
    let error = within(PATIENCE, "a late resign", leader.resign()).await.expect_err("it had ended");
    assert_eq!(error.kind(), Kind::NotLeader, "{error}");
    // Also when the same process stands again: the stale resign is not about that candidacy.
    let next = Campaign::queued_again(fixture, &*first, &election, 2).await;
    assert!(successor.check().is_ok());
    successor.resign().await.expect("confirmed");
    assert!(next.wins(fixture.prompt()).await.check().is_ok());
}

/// A stale resign does not remove the same process's next record in the same election, on the same session.
pub async fn a_stale_resign_spares_the_next_leadership_of_its_process(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let stale = lead(&*process, &election).await;
    fixture.delete_record(&election, stale.token()).await;
    within(PATIENCE, "the loss of a deposed leadership", stale.lost()).await;
    let present = lead(&*process, &election).await;
    assert!(present.token() > stale.token());
    let error = within(PATIENCE, "a stale resign", stale.resign()).await.expect_err("it had ended");
    assert_eq!(error.kind(), Kind::NotLeader, "{error}");
    // A round trip on the same session: the stale release has been carried out, if it ever will be.
    lead(&*process, &fixture.election("after")).await.resign().await.expect("confirmed");
    assert_eq!(present.check(), Ok(present.token()));
    assert_eq!(fixture.records(&election).await, 1);
}

/// A resign that cannot be confirmed ends within the TTL with an error, and the seat is free by then or soon.
pub async fn a_resign_behind_a_severed_link_ends_in_time(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let handle = leader.handle();
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    first.sever();
    let resigned = tokio::spawn(leader.resign());
    eventually(fixture.prompt(), "the end of the claim", || async { handle.check().is_err() }).await;
    let bound = fixture.ttl() + fixture.prompt();
    let error = within(bound, "a resign that cannot be confirmed", resigned).await.expect("no panic");
    let error = error.expect_err("nobody can have confirmed it");
    assert!(error.is_retryable(), "not confirmed, and not {:?}: {error}", error.kind());
    let successor = waiting.wins(fixture.takeover_bound()).await;
    first.heal().await;
    let next = Campaign::queued_again(fixture, &*first, &election, 2).await;
    assert!(successor.check().is_ok());
    successor.resign().await.expect("confirmed");
    assert!(next.wins(fixture.prompt()).await.check().is_ok());
}

/// A resign that is cut off and then finds its link mended is carried out, once.
pub async fn a_resign_goes_through_once_the_link_is_mended(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    first.sever();
    drop(leader);
    first.heal().await;
    let successor = waiting.wins(fixture.takeover_bound()).await;
    // The same process campaigns behind it: no repeated removal hits the new record.
    let next = Campaign::queued_again(fixture, &*first, &election, 2).await;
    successor.resign().await.expect("confirmed");
    let next = next.wins(fixture.prompt()).await;
    assert!(next.check().is_ok());
    records(fixture, &election, 1, fixture.prompt()).await;
}
