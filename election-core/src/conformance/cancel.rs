//! A dropped campaign leaves nothing behind, wherever it was dropped.

use super::fixture::Fixture;
use super::support::{Campaign, PATIENCE, QUIET, Stage, candidate, drop_at_poll, elector, lead, records};

/// No future is polled this often before it is ready or waits for somebody.
const MANY: usize = 10_000;

/// Dropped at every await point of a campaign that would be won, on a session that is open.
pub async fn a_campaign_dropped_anywhere_leaves_nothing(fixture: &dyn Fixture) {
    let (process, other, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    // Opens both sessions, so that the campaigns below have only themselves to wait for.
    lead(&*process, &election).await.resign().await.expect("confirmed");
    lead(&*other, &election).await.resign().await.expect("confirmed");
    let elector = elector(&*process, &election);
    for polls in 0..MANY {
        let stage = drop_at_poll(elector.campaign(candidate("dropped")), polls).await;
        let done = matches!(stage, Stage::Done(_));
        if let Stage::Done(won) = stage {
            drop(won.expect("elected"));
        }
        records(fixture, &election, 0, fixture.prompt()).await;
        // What was still on its way, and was not taken back, would stand before this one.
        let after = Campaign::start(&*other, &election).wins(fixture.prompt()).await;
        after.resign().await.expect("confirmed");
        if done {
            break;
        }
        assert!(polls + 1 < MANY, "the campaign never ended");
    }
    records(fixture, &election, 0, fixture.prompt()).await;
}

/// Dropped at every await point of a process's first campaign, which opens the session.
pub async fn a_first_campaign_dropped_anywhere_leaves_nothing(fixture: &dyn Fixture) {
    let election = fixture.election("e");
    for polls in 0..MANY {
        let process = fixture.process().await;
        let elector = elector(&*process, &election);
        let stage = drop_at_poll(elector.campaign(candidate("dropped")), polls).await;
        let done = matches!(stage, Stage::Done(_));
        drop(stage);
        records(fixture, &election, 0, fixture.prompt()).await;
        // The process is none the worse for it.
        lead(&*process, &election).await.resign().await.expect("confirmed");
        if done {
            break;
        }
        assert!(polls + 1 < MANY, "the campaign never ended");
    }
}

/// Dropped at every await point on the way into the queue, and there.
pub async fn a_waiting_campaign_dropped_anywhere_leaves_nothing(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    lead(&*second, &election).await.resign().await.expect("confirmed");
    let leader = lead(&*first, &election).await;
    let elector = elector(&*second, &election);
    for polls in 0..MANY {
        let stage = drop_at_poll(elector.campaign(candidate("dropped")), polls).await;
        records(fixture, &election, 1, fixture.prompt()).await;
        assert!(leader.check().is_ok());
        match stage {
            Stage::Done(_) => panic!("elected beside a leader"),
            Stage::Dropped => {}
            Stage::Waiting => break,
        }
        assert!(polls + 1 < MANY, "the campaign never came to rest");
    }
    leader.resign().await.expect("confirmed");
    records(fixture, &election, 0, fixture.prompt()).await;
    assert!(lead(&*first, &election).await.check().is_ok());
}

/// Dropped at every await point between the leader's resign and its own election.
pub async fn a_campaign_dropped_while_it_wins_leaves_nothing(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let elector = elector(&*second, &election);
    for polls in 0..MANY {
        let leader = lead(&*first, &election).await;
        let mut waiting = elector.campaign(candidate("dropped"));
        tokio::select! {
            result = &mut waiting => panic!("elected beside a leader: {result:?}"),
            () = records(fixture, &election, 2, PATIENCE) => {}
        }
        // Until it rests: what is polled from now on is the handover.
        assert!(tokio::time::timeout(QUIET, &mut waiting).await.is_err());
        leader.resign().await.expect("confirmed");
        let stage = drop_at_poll(waiting, polls).await;
        let done = matches!(stage, Stage::Done(_));
        drop(stage);
        records(fixture, &election, 0, fixture.prompt()).await;
        if done {
            break;
        }
        assert!(polls + 1 < MANY, "the campaign never ended");
    }
    assert!(lead(&*first, &election).await.check().is_ok());
}

/// A waiter that goes from the middle of the queue takes neither its neighbours' turn nor their wake-up.
pub async fn a_waiter_that_leaves_the_queue_harms_nobody(fixture: &dyn Fixture) {
    let election = fixture.election("e");
    let (first, second) = (fixture.process().await, fixture.process().await);
    let (third, fourth) = (fixture.process().await, fixture.process().await);
    let leader = lead(&*first, &election).await;
    let leaving = Campaign::queued(fixture, &*second, &election, 2).await;
    let mut next = Campaign::queued(fixture, &*third, &election, 3).await;
    let mut last = Campaign::queued(fixture, &*fourth, &election, 4).await;
    drop(leaving);
    records(fixture, &election, 3, fixture.prompt()).await;
    next.keeps_waiting().await;
    assert!(leader.check().is_ok());
    leader.resign().await.expect("confirmed");
    let next = next.wins(fixture.prompt()).await;
    last.keeps_waiting().await;
    drop(next);
    assert!(last.wins(fixture.prompt()).await.check().is_ok());
}

/// Dropped while the link is severed, a candidacy goes with the TTL, and nobody waits for longer.
pub async fn a_campaign_dropped_behind_a_severed_link_goes_in_time(fixture: &dyn Fixture) {
    let (first, second, third) = (fixture.process().await, fixture.process().await, fixture.process().await);
    let election = fixture.election("e");
    let leader = lead(&*first, &election).await;
    let dropped = Campaign::queued(fixture, &*second, &election, 2).await;
    let next = Campaign::queued(fixture, &*third, &election, 3).await;
    second.sever();
    drop(dropped);
    leader.resign().await.expect("confirmed");
    let next = next.wins(fixture.takeover_bound()).await;
    records(fixture, &election, 1, fixture.prompt()).await;
    second.heal().await;
    assert!(next.check().is_ok());
    records(fixture, &election, 1, fixture.prompt()).await;
}
