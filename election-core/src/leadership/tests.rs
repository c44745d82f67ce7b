use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;

const START: Instant = Instant::from_nanos(1_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    clock: Arc<ManualClock>,
    session: Arc<SessionState>,
    released: Arc<AtomicUsize>,
}

impl Rig {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let session = SessionState::new(clock.clone(), START + SECOND);
        Self { clock, session, released: Arc::default() }
    }

    fn win(&self) -> Result<Leadership> {
        let released = self.released.clone();
        Leadership::new(
            ElectionName::new("e").unwrap(),
            Candidate::new("c").unwrap(),
            FencingToken::new(7),
            self.session.clone(),
            Box::new(move || {
                released.fetch_add(1, Ordering::SeqCst);
                let (sender, receiver) = oneshot::channel();
                sender.send(Ok(())).unwrap();
                receiver
            }),
        )
    }

    fn released(&self) -> usize {
        self.released.load(Ordering::SeqCst)
    }
}

#[test]
fn the_first_check_after_a_pause_past_the_deadline_fails_and_so_does_every_later_one() {
    let rig = Rig::new();
    let leadership = rig.win().unwrap();
    assert_eq!(leadership.check(), Ok(FencingToken::new(7)));
    rig.clock.advance(SECOND);
    assert_eq!(leadership.check(), Err(Loss::Unproven));
    assert!(rig.session.prove(START + SECOND, SECOND).is_err(), "a late proof revives nothing");
    assert_eq!(leadership.check(), Err(Loss::Unproven));
}

#[test]
fn a_dropped_leadership_releases_once_and_its_handles_say_closed() {
    let rig = Rig::new();
    let leadership = rig.win().unwrap();
    let handle = leadership.handle();
    drop(leadership);
    assert_eq!((rig.released(), handle.check()), (1, Err(Loss::Closed)));
}

#[tokio::test]
async fn a_resign_ends_the_claim_before_the_record_is_touched() {
    let rig = Rig::new();
    let mut leadership = rig.win().unwrap();
    let handle = leadership.handle();
    let seen = Arc::new(std::sync::Mutex::new(None));
    let inner = leadership.release.take().unwrap();
    let (seen_by_release, handle_in_release) = (seen.clone(), handle.clone());
    leadership.release = Some(Box::new(move || {
        *seen_by_release.lock().unwrap() = Some(handle_in_release.check());
        inner()
    }));
    leadership.resign().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(Err(Loss::Closed)));
    assert_eq!(rig.released(), 1);
}

#[tokio::test]
async fn a_resign_of_an_ended_leadership_is_not_leader_and_still_tidies_up() {
    let rig = Rig::new();
    let leadership = rig.win().unwrap();
    leadership.end(Loss::Deposed);
    let error = leadership.resign().await.unwrap_err();
    assert_eq!((error.kind(), rig.released()), (Kind::NotLeader, 1));
}

#[test]
fn a_win_on_an_ended_session_is_no_leadership_and_leaves_no_record() {
    let rig = Rig::new();
    rig.session.end(Loss::SessionExpired);
    assert_eq!(rig.win().unwrap_err().kind(), Kind::SessionLost);
    assert_eq!(rig.released(), 1);
}

#[test]
fn one_deposed_leadership_leaves_the_others_of_its_session_alone() {
    let rig = Rig::new();
    let (one, other) = (rig.win().unwrap(), rig.win().unwrap());
    one.end(Loss::Deposed);
    one.end(Loss::SessionExpired);
    assert_eq!((one.check(), other.check()), (Err(Loss::Deposed), Ok(FencingToken::new(7))));
}

#[tokio::test]
async fn lost_fires_on_an_early_end_and_is_resolved_when_asked_late() {
    let rig = Rig::new();
    let leadership = rig.win().unwrap();
    let waiting = tokio::spawn({
        let handle = leadership.handle();
        async move { handle.lost().await }
    });
    tokio::task::yield_now().await;
    rig.session.end(Loss::SessionExpired);
    assert_eq!(waiting.await.unwrap(), Loss::SessionExpired);
    assert_eq!(leadership.lost().await, Loss::SessionExpired);
}

#[test]
fn a_record_that_went_with_its_session_is_no_deposition() {
    let rig = Rig::new();
    let leadership = rig.win().unwrap();
    rig.session.end(Loss::Closed);
    // The news about the record comes before anybody has asked.
    leadership.end(Loss::Deposed);
    assert_eq!(leadership.check(), Err(Loss::Closed));
}
