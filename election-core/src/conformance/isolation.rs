//! Two elections never interfere.

use super::fixture::Fixture;
use super::observe::Observer;
use super::support::{Campaign, lead, within};
use crate::LeaderEvent;

/// Names that are prefixes of each other, or differ in what a path or a range could mistake.
const NAMES: [&str; 8] = ["a", "ab", "a-", "a.", "a_", "A", "a.b", "a-0"];

/// All are led at once, by one process and by several; a resign, a drop, a queue of one is of no other.
pub async fn elections_never_interfere(fixture: &dyn Fixture) {
    let (first, second) = (fixture.process().await, fixture.process().await);
    let mut led = Vec::new();
    for (i, election) in NAMES.iter().enumerate() {
        led.push(lead(if i % 2 == 0 { &*first } else { &*second }, &fixture.election(election)).await);
        assert_eq!(fixture.records(&fixture.election(election)).await, 1, "{election}");
    }
    assert!(led.iter().all(|leader| leader.check().is_ok()));
    let mut waiting = Campaign::queued(fixture, &*second, &fixture.election("a"), 2).await;
    for other in led.split_off(1) {
        other.resign().await.expect("confirmed");
    }
    waiting.keeps_waiting().await;
    assert!(led[0].check().is_ok());
    led.pop().expect("the leader of a").resign().await.expect("confirmed");
    assert!(waiting.wins(fixture.prompt()).await.check().is_ok());
}

/// Observers see the leaders of their own election only.
pub async fn observers_see_their_own_election_only(fixture: &dyn Fixture) {
    let (process, watching) = (fixture.process().await, fixture.process().await);
    let mut observers = Vec::new();
    for election in NAMES {
        let mut observer = Observer::new(&*watching, &fixture.election(election));
        assert_eq!(observer.next().await, LeaderEvent::Vacant);
        observers.push(observer);
    }
    for (i, election) in NAMES.iter().enumerate() {
        let leader = lead(&*process, &fixture.election(election)).await;
        for (j, observer) in observers.iter_mut().enumerate() {
            if i == j {
                observer.sees(leader.token()).await;
            }
        }
        leader.resign().await.expect("confirmed");
        observers[i].sees_vacancy().await;
    }
    // Nothing else had come in between: the next item of each is its own next leader.
    for (election, observer) in NAMES.iter().zip(&mut observers) {
        let leader = lead(&*process, &fixture.election(election)).await;
        let event = observer.next().await;
        assert_eq!(event.leader().expect("a leader").token, leader.token(), "{election}");
    }
}

/// Removing an election, or a leader's record in it, touches no other.
pub async fn removals_touch_no_other_election(fixture: &dyn Fixture) {
    let process = fixture.process().await;
    let (short, long) =
        (lead(&*process, &fixture.election("a")).await, lead(&*process, &fixture.election("ab")).await);
    fixture.delete_record(&fixture.election("a"), short.token()).await;
    within(fixture.prompt(), "the loss of the deposed leadership", short.lost()).await;
    let short = lead(&*process, &fixture.election("a")).await;
    fixture.remove_election(&fixture.election("a")).await;
    within(fixture.prompt(), "the loss of the removed leadership", short.lost()).await;
    // A round trip on the same session: news about the other would have come by now.
    lead(&*process, &fixture.election("after")).await.resign().await.expect("confirmed");
    assert_eq!(long.check(), Ok(long.token()));
    assert_eq!(fixture.records(&fixture.election("ab")).await, 1);
}
