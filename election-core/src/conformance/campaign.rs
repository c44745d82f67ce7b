//! Being elected: alone, one after the other, in the order of arrival.

use super::fixture::Fixture;
use super::support::{Campaign, PATIENCE, candidate, elector, lead, name, records, within};
use crate::clock::Instant;
use crate::{Kind, Loss};

/// A sole candidate is elected, and its leadership is what it says it is.
pub async fn a_sole_candidate_is_elected(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let entrant = candidate("alone").with_value("10.0.0.7:8080").unwrap();
    let campaign = elector(&*process, &election);
    let leadership =
        within(PATIENCE, "a sole candidate's election", campaign.campaign(entrant.clone())).await;
    let leadership = leadership.expect("elected");
    assert_eq!(leadership.check(), Ok(leadership.token()));
    assert_eq!(leadership.election(), &election);
    assert_eq!(leadership.candidate(), &entrant);
    let (until, now) = (leadership.valid_until().expect("valid"), leadership.now());
    assert!(now < until && until < now + fixture.ttl(), "valid until {until:?} at {now:?}");
    assert_eq!(fixture.records(&election).await, 1);
}

/// A leadership lasts as long as its session is renewed: many TTLs.
pub async fn a_leadership_outlives_many_ttls(fixture: &dyn Fixture) {
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let leadership = lead(&*process, &election).await;
    let end = Instant::now() + fixture.ttl() * 4;
    while Instant::now() < end {
        // Until the renewals carry it past the deadline that stands now.
        let until = leadership.valid_until().expect("a renewed leadership is valid");
        let rest = until.saturating_duration_since(leadership.now());
        tokio::time::sleep(rest).await;
    }
    assert_eq!(leadership.check(), Ok(leadership.token()));
}

/// A second candidate waits as long as the first leads, and is elected after a resign.
pub async fn a_second_waits_until_the_first_resigns(fixture: &dyn Fixture) {
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*first, &election).await;
    let mut waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    waiting.keeps_waiting().await;
    assert!(leader.check().is_ok());
    let (handle, token) = (leader.handle(), leader.token());
    leader.resign().await.expect("confirmed");
    let successor = waiting.wins(fixture.prompt()).await;
    assert_eq!(handle.check(), Err(Loss::Closed));
    assert!(successor.check().is_ok());
    assert!(successor.token() > token);
    records(fixture, &election, 1, fixture.prompt()).await;
}

/// Several candidates over several rounds: exactly one leads at a time, in the order of arrival.
pub async fn candidates_lead_in_the_order_of_arrival(fixture: &dyn Fixture) {
    const CANDIDATES: usize = 4;
    const ROUNDS: usize = 3;
    let election = fixture.election("e");
    let mut processes = Vec::new();
    let mut queue = std::collections::VecDeque::new();
    for place in 1..=CANDIDATES {
        let process = fixture.process().await;
        queue.push_back((place, Campaign::queued(fixture, &*process, &election, place).await));
        processes.push(process);
    }
    let mut last: Option<crate::Leadership> = None;
    for turn in 0..CANDIDATES * ROUNDS {
        let (place, next) = queue.pop_front().expect("the queue is never empty");
        let leader = next.wins(PATIENCE).await;
        assert_eq!(place, turn % CANDIDATES + 1, "elected out of turn");
        if let Some(last) = &last {
            assert!(last.check().is_err() && last.token() < leader.token());
        }
        assert!(queue.iter().all(|(_, waiting)| !waiting.is_over()), "two were elected");
        // Back to the end of the queue, behind all the others and its own leadership.
        let process = &*processes[place - 1];
        queue.push_back((place, Campaign::queued(fixture, process, &election, CANDIDATES + 1).await));
        if turn % 2 == 0 {
            leader.resign().await.expect("confirmed");
            last = None;
        } else {
            let handle = leader.handle();
            drop(leader);
            assert_eq!(handle.check(), Err(Loss::Closed));
        }
        records(fixture, &election, CANDIDATES, fixture.prompt()).await;
    }
}

/// Many candidacies of one process, on one session, queue up like those of many processes.
pub async fn one_process_may_stand_many_times(fixture: &dyn Fixture) {
    const TIMES: usize = 20;
    let (process, election) = (fixture.process().await, fixture.election("e"));
    let mut leader = lead(&*process, &election).await;
    let mut queue = Vec::new();
    for place in 2..=TIMES {
        queue.push(Campaign::queued(fixture, &*process, &election, place).await);
    }
    for (at, next) in queue.into_iter().enumerate() {
        let token = leader.token();
        leader.resign().await.expect("confirmed");
        leader = next.wins(fixture.prompt()).await;
        assert!(leader.token() > token, "the {at}-th handover");
    }
    leader.resign().await.expect("confirmed");
    records(fixture, &election, 0, fixture.prompt()).await;
}

/// Names out of bounds are refused before anything is sent.
pub async fn a_name_out_of_bounds_is_refused(fixture: &dyn Fixture) {
    let process = fixture.process().await;
    for bad in ["", "a/b", ".hidden", "a b", "ä", &"x".repeat(129)] {
        let error = process.coordinator().elector(bad).expect_err("a bad name");
        assert_eq!(error.kind(), Kind::InvalidConfig, "{bad:?}: {error}");
    }
    for good in ["a", "A.b_c-9", "9", "_", "-", &"x".repeat(128)] {
        let leadership = lead(&*process, &name(good)).await;
        assert_eq!(fixture.records(&name(good)).await, 1, "{good:?}");
        leadership.resign().await.expect("confirmed");
    }
}
