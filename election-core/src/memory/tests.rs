//! What the model promises, shown in paused time: an hour of TTLs costs nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{sleep, timeout};

use super::{MemoryCoordinator, Service};
use crate::clock::{Instant, TokioClock};
use crate::{Candidate, Coordinator, ElectorExt, Kind, LeaderEvent, LeaderEvents, Leadership, Loss, Result};

const TTL: Duration = Duration::from_secs(10);

pub(super) fn service() -> Service {
    Service::builder().ttl(TTL).clock(TokioClock::new()).build().unwrap()
}

fn candidate() -> Candidate {
    Candidate::new("c").unwrap()
}

async fn campaign(process: &MemoryCoordinator, election: &str) -> Result<Leadership> {
    process.elector(election)?.campaign(candidate()).await
}

/// A campaign that runs by itself, already in the queue.
async fn queued(
    process: &Arc<MemoryCoordinator>,
    election: &str,
) -> tokio::task::JoinHandle<Result<Leadership>> {
    let elector = process.elector(election).unwrap();
    let before = process.link().service().look(|state| state.records(elector.election()));
    let task = tokio::spawn({
        let elector = elector.clone();
        async move { elector.campaign(candidate()).await }
    });
    while process.link().service().look(|state| state.records(elector.election())) == before {
        tokio::task::yield_now().await;
    }
    task
}

/// Lets everything happen that needs no passing of time.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn next(events: &mut LeaderEvents) -> LeaderEvent {
    timeout(TTL * 3, events.next()).await.expect("an event in time").expect("no end").expect("no error")
}

#[tokio::test(start_paused = true)]
async fn a_severed_leader_is_over_before_the_service_gives_the_seat_away() {
    let service = service();
    let (first, second) = (service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let successor = queued(&second, "e").await;
    first.sever();
    // Every claim of the first is recorded at the finest grain of the timer.
    let mut last_claim = Instant::from_nanos(0);
    while !successor.is_finished() {
        if leader.check().is_ok() {
            last_claim = service.clock().now();
        }
        sleep(Duration::from_millis(1)).await;
    }
    let successor = successor.await.unwrap().unwrap();
    assert!(last_claim < successor.now());
    assert_eq!(leader.check(), Err(Loss::Unproven));
    assert!(successor.token() > leader.token());
    // It was renewed once at least, and held for the better part of the TTL.
    assert!(last_claim.saturating_duration_since(Instant::from_nanos(0)) > TTL / 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_session_lasts_and_a_crashed_one_does_not() {
    let service = service();
    let (first, second) = (service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    sleep(TTL * 100).await;
    assert!(leader.check().is_ok());
    let successor = queued(&second, "e").await;
    first.crash();
    let crashed = service.clock().now();
    let successor = successor.await.unwrap().unwrap();
    assert!(successor.now().saturating_duration_since(crashed) <= TTL + Duration::from_millis(2));
    first.heal();
    settle().await;
    assert_eq!(service.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn expiry_tells_leader_and_waiter_at_once_and_the_next_campaign_has_a_new_session() {
    let service = service();
    let (first, second) = (service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let waiting = queued(&second, "e").await;
    assert!(second.expire());
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::SessionLost);
    assert!(first.expire());
    settle().await;
    assert_eq!(leader.check(), Err(Loss::SessionExpired));
    let again = campaign(&second, "e").await.unwrap();
    assert!(again.token() > leader.token());
    assert_eq!(leader.resign().await.unwrap_err().kind(), Kind::NotLeader);
    assert!(again.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_record_deposes_a_leader_and_fails_a_waiter() {
    let service = service();
    let (first, second, third) = (service.connect(), service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let waiting = queued(&second, "e").await;
    let last = queued(&third, "e").await;
    assert!(!service.delete_record(leader.election(), crate::FencingToken::new(u64::MAX)));
    assert!(service.delete_record(leader.election(), leader.token()));
    assert_eq!(leader.lost().await, Loss::Deposed);
    let promoted = waiting.await.unwrap().unwrap();
    service.remove_election(promoted.election());
    assert_eq!(promoted.lost().await, Loss::Deposed);
    assert_eq!(last.await.unwrap().unwrap_err().kind(), Kind::SessionLost);
    assert_eq!(service.records(promoted.election()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_refuses_newcomers_and_keeps_everybody_else() {
    let service = service();
    let (first, second, third) = (service.connect(), service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let waiting = queued(&second, "e").await;
    service.stop();
    assert_eq!(campaign(&third, "e").await.unwrap_err().kind(), Kind::Unavailable);
    sleep(TTL / 2).await;
    service.start();
    sleep(TTL / 2).await;
    assert!(leader.check().is_ok());
    leader.resign().await.unwrap();
    assert!(waiting.await.unwrap().unwrap().check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_service_is_an_error_within_an_attempts_time() {
    let service = service();
    let process = service.connect();
    process.sever();
    let error = timeout(service.timing().attempt_timeout * 2, campaign(&process, "e")).await.unwrap();
    assert_eq!(error.unwrap_err().kind(), Kind::Timeout);
    let led = tokio::spawn({
        let elector = process.elector("e").unwrap();
        async move { elector.lead(candidate(), |leadership| async move { leadership.check().is_ok() }).await }
    });
    sleep(TTL * 3).await;
    assert!(!led.is_finished());
    process.heal();
    assert!(led.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_resign_that_cannot_be_confirmed_ends_within_the_ttl_and_the_record_goes() {
    let service = service();
    let (first, second) = (service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let (handle, start) = (leader.handle(), leader.now());
    first.sever();
    let resigned = tokio::spawn(leader.resign());
    settle().await;
    assert_eq!(handle.check(), Err(Loss::Closed));
    assert_eq!(resigned.await.unwrap().unwrap_err().kind(), Kind::Timeout);
    assert!(handle.now().saturating_duration_since(start) <= TTL);
    first.heal();
    assert!(campaign(&second, "e").await.unwrap().check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_the_present_then_every_newest_state() {
    let service = service();
    let (first, watching) = (service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let mut events = watching.elector("e").unwrap().observe();
    assert_eq!(next(&mut events).await.leader().unwrap().token, leader.token());
    leader.resign().await.unwrap();
    assert_eq!(next(&mut events).await, LeaderEvent::Vacant);
    watching.sever();
    assert!(matches!(next(&mut events).await, LeaderEvent::Disconnected { last: Some(_), .. }));
    let leader = campaign(&first, "e").await.unwrap();
    watching.heal();
    assert_eq!(next(&mut events).await.leader().unwrap().token, leader.token());
    service.stop();
    assert!(matches!(next(&mut events).await, LeaderEvent::Disconnected { .. }));
    service.start();
    assert_eq!(next(&mut events).await.leader().unwrap().token, leader.token());
    watching.close().await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap_err().kind(), Kind::Closed);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn close_ends_everything_and_a_dropped_process_says_goodbye() {
    let service = service();
    let (first, second) = (service.connect(), service.connect());
    let leader = campaign(&first, "e").await.unwrap();
    let own = queued(&first, "e").await;
    let next = queued(&second, "e").await;
    first.close().await.unwrap();
    assert_eq!(leader.check(), Err(Loss::Closed));
    assert_eq!(own.await.unwrap().unwrap_err().kind(), Kind::Closed);
    assert_eq!(campaign(&first, "e").await.unwrap_err().kind(), Kind::Closed);
    first.close().await.unwrap();
    let next = next.await.unwrap().unwrap();
    assert_eq!(service.sessions(), 1);
    drop((second, next));
    settle().await;
    assert_eq!(service.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_handover_wakes_one_waiter() {
    let service = service();
    let processes: Vec<_> = (0..20).map(|_| service.connect()).collect();
    let leader = campaign(&processes[0], "e").await.unwrap();
    let mut waiting = Vec::new();
    for process in &processes {
        waiting.push(queued(process, "e").await);
    }
    leader.resign().await.unwrap();
    settle().await;
    assert_eq!(waiting.iter().filter(|task| task.is_finished()).count(), 1);
    assert!(waiting[0].is_finished());
}
