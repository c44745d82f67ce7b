//! One member alone, on a disk that fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use tokio::net::TcpListener;

use super::Node;
use crate::config::{NodeConfig, Profile, RaftConfig};
use crate::error::NodeError;
use crate::network::{
    Answer, Caller, Failure, Handler, Identity, Item, Local, Origin, Request, Response, Security, Sender,
    SessionKey,
};
use crate::state_machine::{CandidacyId, Command, Outcome, SessionEvent};
use crate::store::Store;
use crate::store::testing::Disk;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A group of one on `store`, ready to serve.
pub(super) async fn alone(store: Store, dir: &std::path::Path) -> Node {
    let node = started(store, dir, Profile::Default).await;
    let serves = async {
        while !node.service().serves() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, serves).await.unwrap();
    node
}

/// The same, just started.
async fn started(store: Store, dir: &std::path::Path, profile: Profile) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = NodeConfig::new(1, dir);
    let mut config = RaftConfig::new([address]).with_profile(profile);
    config.cluster = "test".into();
    Node::run(&config, &own, &Security::Plaintext, listener, store).await.unwrap()
}

/// Opens the store again once the writer of its first life has let go of the database.
async fn reopened(dir: &std::path::Path) -> Store {
    loop {
        match Store::open(dir, "test", 1) {
            Err(crate::store::StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(2)).await,
            other => return other.unwrap(),
        }
    }
}

pub(super) async fn ask(node: &Node, request: Request) -> Result<Response, Failure> {
    match node.service().clone().call(request).await {
        Answer::Once(result) => result,
        Answer::Stream(_) => panic!("a stream"),
    }
}

pub(super) async fn written(node: &Node, request: Request) -> Result<Outcome, Failure> {
    match ask(node, request).await? {
        Response::Written { outcome, .. } => Ok(outcome),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn write(node: &Node, key: u128, command: Command) -> Result<Outcome, Failure> {
    written(node, Request::Write { key: SessionKey::of(key), command }).await
}

pub(super) async fn open(node: &Node, key: u128, ttl_ms: u64) -> u64 {
    let key = SessionKey::of(key);
    match written(node, Request::Open { key, ttl_ms }).await.unwrap() {
        Outcome::Opened { session } => session,
        other => panic!("{other:?}"),
    }
}

pub(super) fn campaign(session: u64, number: u64) -> Command {
    let candidacy = CandidacyId { session, number };
    Command::Campaign { candidacy, floor: 0, election: "e".into(), id: "c".into(), value: Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_member_cleanly_and_it_resumes_with_all_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (store, disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let session = open(&node, 1, 60_000).await;
    assert!(matches!(
        write(&node, 1, campaign(session, 0)).await.unwrap(),
        Outcome::Queued { token: Some(_), .. }
    ));
    disk.full.store(true, Ordering::SeqCst);
    assert!(write(&node, 1, campaign(session, 1)).await.is_err(), "not on disk, not acknowledged");
    let mut failure = node.failure();
    let found =
        tokio::time::timeout(PATIENCE, failure.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    assert!(matches!(found, Some(NodeError::DiskFull { .. })), "{found:?}");
    let idle = async {
        while node.service().serves() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.unwrap();
    node.shutdown().await;

    disk.full.store(false, Ordering::SeqCst);
    let store = reopened(dir.path()).await;
    let node = alone(store, dir.path()).await;
    match ask(&node, Request::Queue { election: "e".into() }).await.unwrap() {
        Response::Queue(places) => assert_eq!(places[0].candidacy, CandidacyId { session, number: 0 }),
        other => panic!("{other:?}"),
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_dropped_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    // It is asked for its list of members, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = testkit::ports::Port::lease().unwrap();
    let address = port.address().to_string();
    let mut config = RaftConfig::new([address.clone(), silent.local_addr().unwrap().to_string()]);
    config.cluster = "test".into();
    let own = NodeConfig::new(1, dir.path());
    let _asked = tokio::select! {
        started = Node::start(&config, &own, &Security::Plaintext) => panic!("{:?}", started.err()),
        asked = silent.accept() => asked.unwrap(),
    };
    let free = async {
        reopened(dir.path()).await;
        while TcpListener::bind(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_that_nobody_takes_are_few() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let ask = || async {
        match node.service().clone().call(Request::Backup).await {
            Answer::Stream(items) => Ok(items),
            Answer::Once(Err(failure)) => Err(failure),
            Answer::Once(Ok(other)) => panic!("{other:?}"),
        }
    };
    let mut begun = Vec::new();
    let refused = loop {
        match ask().await {
            Ok(items) => begun.push(items),
            Err(failure) => break failure,
        }
    };
    assert!(matches!(refused, Failure::Full { .. }) && begun.len() == 2, "{refused:?}");
    // Taken to its end, or given up.
    begun.swap_remove(0).collect::<Vec<_>>().await;
    drop((ask().await.unwrap(), begun));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_not_renewed_expires_and_one_that_is_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let (lazy, busy) = (open(&node, 1, 100).await, open(&node, 2, 300).await);
    write(&node, 1, campaign(lazy, 0)).await.unwrap();
    assert!(matches!(write(&node, 2, campaign(busy, 0)).await.unwrap(), Outcome::Queued { token: None, .. }));
    let Answer::Stream(mut events) =
        node.service().clone().call(Request::WatchSession { session: busy, key: SessionKey::of(2) }).await
    else {
        panic!("no stream");
    };
    assert!(matches!(events.next().await, Some(Item::Session(SessionEvent::State { .. }))));
    let granted = async {
        loop {
            tokio::select! {
                event = events.next() => return event,
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    let renewed = ask(&node, Request::Renew { session: busy, key: SessionKey::of(2) }).await.unwrap();
                    assert!(matches!(renewed, Response::Renewed(true)));
                }
            }
        }
    };
    let granted = tokio::time::timeout(PATIENCE, granted).await.unwrap();
    assert!(matches!(granted, Some(Item::Session(SessionEvent::Granted { number: 0, .. }))), "{granted:?}");
    assert!(matches!(
        ask(&node, Request::Renew { session: lazy, key: SessionKey::of(1) }).await.unwrap(),
        Response::Renewed(false)
    ));
    // The busy one stops, too: its watch says so.
    let gone = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(gone, Some(Item::Session(SessionEvent::Gone)));
    node.shutdown().await;
}

/// It has forgotten when it last heard from a leader, which may still count on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_has_just_restarted_votes_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    node.shutdown().await;
    // Nobody could be sure to ask in time what was over within milliseconds.
    let node = started(reopened(dir.path()).await, dir.path(), Profile::Wan).await;
    let rpc = openraft::raft::VoteRequest::new(crate::types::Vote::new(9, 2), None);
    let origin = Origin::Certificate(Identity::Node(2));
    let caller = Arc::new(Caller::new(Sender::Member { id: 2, incarnation: 7 }, origin));
    for request in [Request::Vote(rpc.clone()), Request::PreVote(rpc)] {
        let Answer::Once(answer) = node.service().handle(caller.clone(), request).await else {
            panic!("a stream");
        };
        assert!(matches!(answer, Err(Failure::Embargo)), "{answer:?}");
    }
    node.shutdown().await;
}
