//! What observers are told.

use futures::StreamExt;
use futures::future::join_all;

use super::fixture::{Fixture, Process};
use super::support::{Campaign, PATIENCE, Stage, drop_at_poll, elector, lead, within};
use crate::{ElectionName, FencingToken, Kind, Leader, LeaderEvent, LeaderEvents};

/// One observer, which asserts what holds along every stream.
pub(super) struct Observer {
    events: LeaderEvents,
    last: Option<LeaderEvent>,
    highest: Option<FencingToken>,
}

impl Observer {
    pub(super) fn new(process: &dyn Process, election: &ElectionName) -> Self {
        Self { events: elector(process, election).observe(), last: None, highest: None }
    }

    /// The next item.
    pub(super) async fn next(&mut self) -> LeaderEvent {
        let item = within(PATIENCE, "an observer's next item", self.events.next()).await;
        let event = item.expect("a stream goes on until it is dropped").expect("no final error");
        if let Some(leader) = event.leader() {
            assert!(self.highest <= Some(leader.token), "{} after {:?}", leader.token, self.highest);
            self.highest = Some(leader.token);
        }
        assert_ne!(self.last.as_ref(), Some(&event), "the same state twice in a row");
        self.last = Some(event.clone());
        event
    }

    /// Skips to the first item that is what was waited for.
    pub(super) async fn until(&mut self, what: &str, is_it: impl Fn(&LeaderEvent) -> bool) -> LeaderEvent {
        within(PATIENCE, what, async {
            loop {
                let event = self.next().await;
                if is_it(&event) {
                    return event;
                }
            }
        })
        .await
    }

    pub(super) async fn sees(&mut self, token: FencingToken) -> Leader {
        let seen = |event: &LeaderEvent| event.leader().is_some_and(|leader| leader.token == token);
        let event = self.until(&format!("the leader with token {token}"), seen).await;
        event.leader().expect("just matched").clone()
    }

    pub(super) async fn sees_vacancy(&mut self) {
        self.until("a vacancy", |event| *event == LeaderEvent::Vacant).await;
    }

    pub(super) async fn sees_disconnection(&mut self) -> Option<Leader> {
        let gone = |event: &LeaderEvent| matches!(event, LeaderEvent::Disconnected { .. });
        match self.until("a disconnection", gone).await {
            LeaderEvent::Disconnected { last, .. } => last,
            LeaderEvent::Elected(_) | LeaderEvent::Vacant => unreachable!("just matched"),
        }
    }
}

/// The first item is the present state, without waiting for a change.
pub async fn the_present_state_comes_first(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    assert_eq!(Observer::new(&*watching, &election).next().await, LeaderEvent::Vacant);
    let leader = lead(&*process, &election).await;
    let first = Observer::new(&*watching, &election).next().await;
    let seen = first.leader().expect("the leader is there");
    assert_eq!((seen.id.as_str(), seen.token), (leader.candidate().id().as_str(), leader.token()));
    // Also to the process that leads, and behind a queue.
    let _waiting = Campaign::queued(fixture, &*watching, &election, 2).await;
    for process in [&process, &watching] {
        let first = Observer::new(&**process, &election).next().await;
        assert_eq!(first.leader().expect("the leader is there").token, leader.token());
    }
    leader.resign().await.expect("confirmed");
}

/// An observation begun after a claim was made never reports an older leader as present.
pub async fn an_observation_is_never_older_than_a_claim_before_it(fixture: &dyn Fixture) {
    let (first, second) = (fixture.process().await, fixture.process().await);
    let (watching, election) = (fixture.process().await, fixture.election("e"));
    for _ in 0..10 {
        for process in [&first, &second] {
            let leader = lead(&**process, &election).await;
            leader.check().expect("valid");
            // A fresh observation each time: on a cluster it may begin at any of the servers.
            let event = Observer::new(&*watching, &election).next().await;
            assert_eq!(event.leader().expect("somebody leads").token, leader.token());
            leader.resign().await.expect("confirmed");
            assert_eq!(Observer::new(&*watching, &election).next().await, LeaderEvent::Vacant);
        }
    }
}

/// A vacancy is seen, and so is the next leader, each without a request of the observer's user.
pub async fn a_vacancy_is_seen(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let mut observer = Observer::new(&*watching, &election);
    assert_eq!(observer.next().await, LeaderEvent::Vacant);
    for _ in 0..3 {
        let leader = lead(&*process, &election).await;
        within(fixture.prompt(), "the news of an election", observer.sees(leader.token())).await;
        leader.resign().await.expect("confirmed");
        within(fixture.prompt(), "the news of a vacancy", observer.sees_vacancy()).await;
    }
}

/// A leader's crash is seen: the vacancy, or the successor.
pub async fn a_takeover_is_seen(fixture: &dyn Fixture) {
    let (first, second, watching) =
        (fixture.process().await, fixture.process().await, fixture.process().await);
    let election = fixture.election("e");
    let leader = lead(&*first, &election).await;
    let waiting = Campaign::queued(fixture, &*second, &election, 2).await;
    let mut observer = Observer::new(&*watching, &election);
    observer.sees(leader.token()).await;
    first.crash();
    let successor = waiting.wins(fixture.takeover_bound()).await;
    within(fixture.prompt(), "the news of a takeover", observer.sees(successor.token())).await;
    second.crash();
    within(fixture.takeover_bound(), "the news of a vacancy by crash", observer.sees_vacancy()).await;
}

/// However fast leaders change, every observer ends at the final state, and never goes back.
pub async fn the_final_state_is_never_lost(fixture: &dyn Fixture) {
    let (first, second) = (fixture.process().await, fixture.process().await);
    let (watching, election) = (fixture.process().await, fixture.election("e"));
    let mut observers: Vec<_> = (0..5).map(|_| Observer::new(&*watching, &election)).collect();
    for observer in &mut observers {
        observer.next().await;
    }
    for round in 0..4 {
        for _ in 0..10 {
            lead(&*first, &election).await.resign().await.expect("confirmed");
            drop(lead(&*second, &election).await);
        }
        let last = lead(if round % 2 == 0 { &*first } else { &*second }, &election).await;
        let seen = join_all(observers.iter_mut().map(|observer| observer.sees(last.token())));
        within(PATIENCE, "the final leader, at every observer", seen).await;
        last.resign().await.expect("confirmed");
        let seen = join_all(observers.iter_mut().map(Observer::sees_vacancy));
        within(PATIENCE, "the final vacancy, at every observer", seen).await;
    }
}

/// A hundred observers in one process all see a change; one that is dropped harms no other.
pub async fn a_hundred_observers_see_a_change(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let mut observers: Vec<_> = (0..100).map(|_| Observer::new(&*watching, &election)).collect();
    for observer in &mut observers {
        assert_eq!(observer.next().await, LeaderEvent::Vacant);
    }
    let leader = lead(&*process, &election).await;
    let all = join_all(observers.iter_mut().map(|observer| observer.sees(leader.token())));
    within(PATIENCE, "an election, at a hundred observers", all).await;
    observers.truncate(50);
    leader.resign().await.expect("confirmed");
    let all = join_all(observers.iter_mut().map(Observer::sees_vacancy));
    within(PATIENCE, "a vacancy, at the fifty that are left", all).await;
}

/// An observer that is cut off says so, with what it knew, and goes on by itself with the newest state.
pub async fn a_severed_observer_says_so_and_goes_on(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let leader = lead(&*process, &election).await;
    let mut observer = Observer::new(&*watching, &election);
    observer.sees(leader.token()).await;
    watching.sever();
    let known = observer.sees_disconnection().await.expect("it had seen a leader");
    assert_eq!(known.token, leader.token());
    leader.resign().await.expect("confirmed");
    let leader = lead(&*process, &election).await;
    watching.heal().await;
    observer.sees(leader.token()).await;
    // And it follows again, on a watch that works.
    leader.resign().await.expect("confirmed");
    observer.sees_vacancy().await;
}

/// An observer outlives the session of its process.
pub async fn an_observer_outlives_its_process_session(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let own = lead(&*watching, &fixture.election("own")).await;
    let mut observer = Observer::new(&*watching, &election);
    assert_eq!(observer.next().await, LeaderEvent::Vacant);
    watching.expire().await;
    within(fixture.takeover_bound(), "the loss of an expired leadership", own.lost()).await;
    let leader = lead(&*process, &election).await;
    observer.sees(leader.token()).await;
    leader.resign().await.expect("confirmed");
    observer.sees_vacancy().await;
}

/// Whoever gives up waiting for the next item, after whatever number of polls, is given it the next time.
pub async fn a_next_dropped_anywhere_loses_nothing(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    for polls in 1..=4 {
        let leader = lead(&*process, &election).await;
        let mut events = elector(&*watching, &election).observe();
        let first = persist(&mut events, polls).await;
        assert_eq!(
            first.leader().map(|leader| leader.token),
            Some(leader.token()),
            "after {polls} polls each"
        );
        // At rest, it is dropped once more, and misses nothing of what comes then.
        assert!(!matches!(drop_at_poll(events.next(), polls).await, Stage::Done(_)));
        leader.resign().await.expect("confirmed");
        assert_eq!(persist(&mut events, polls).await, LeaderEvent::Vacant, "after {polls} polls each");
    }
}

/// The next item, by futures that are dropped after so many polls each.
async fn persist(events: &mut LeaderEvents, polls: usize) -> LeaderEvent {
    within(PATIENCE, "an item for whoever asks again and again", async {
        loop {
            if let Stage::Done(item) = drop_at_poll(events.next(), polls).await {
                return item.expect("a stream goes on until it is dropped").expect("no final error");
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// An observation ends only with a final error: here, that its coordinator was closed.
pub async fn an_observation_ends_with_its_coordinator(fixture: &dyn Fixture) {
    let (watching, election) = (fixture.process().await, fixture.election("e"));
    let mut observer = Observer::new(&*watching, &election);
    assert_eq!(observer.next().await, LeaderEvent::Vacant);
    within(PATIENCE, "close", watching.coordinator().close()).await.expect("confirmed");
    let end = within(PATIENCE, "the end of an observation", observer.events.next()).await;
    let error = end.expect("an error before the end").expect_err("nothing but the final error");
    assert_eq!(error.kind(), Kind::Closed, "{error}");
    assert!(within(PATIENCE, "the end after the final error", observer.events.next()).await.is_none());
}
