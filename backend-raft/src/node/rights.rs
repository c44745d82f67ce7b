//! One member alone: who may ask it what.

use std::sync::Arc;
use std::time::Duration;

use openraft::impls::leader_id_adv::LeaderId as AdvLeaderId;
use openraft::raft::{AppendEntriesRequest, VoteRequest};

use super::Node;
use super::tests::{PATIENCE, alone, ask, campaign, open, write, written};
use crate::network::{
    Answer, Caller, Failure, Handler, Identity, Local, Origin, Request, Response, Sender, SessionKey,
    SnapshotPart, Transfer,
};
use crate::state_machine::{CandidacyId, Command, Outcome};
use crate::store::testing::Disk;
use crate::types::{SnapshotMeta, Vote};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_clients_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let session = open(&node, 1, 60_000).await;
    let expire = Command::ExpireSessions { sessions: vec![session] };
    assert!(matches!(write(&node, 1, expire.clone()).await, Err(Failure::Forbidden { .. })));
    let administer = |command| written(&node, Request::Administer(command));
    assert!(matches!(administer(expire).await, Err(Failure::Forbidden { .. })));
    let open = Command::OpenSession { nonce: 1, ttl_ms: 1000 };
    assert!(matches!(administer(open).await, Err(Failure::Forbidden { .. })));
    let candidacy = CandidacyId { session, number: 0 };
    let remove = Command::Remove { candidacy, election: "e".into() };
    assert!(matches!(write(&node, 1, remove.clone()).await, Err(Failure::Forbidden { .. })));
    assert_eq!(administer(remove).await.unwrap(), Outcome::Absent);
    let name = Request::Observe { election: "x".repeat(1000) };
    assert!(matches!(node.service().clone().call(name).await, Answer::Once(Err(Failure::Forbidden { .. }))));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_obeys_its_own_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let session = open(&node, 1, 60_000).await;
    write(&node, 1, campaign(session, 0)).await.unwrap();
    let (own, other) = (SessionKey::of(1), SessionKey::of(2));
    let withdraw =
        Command::Withdraw { candidacy: CandidacyId { session, number: 0 }, floor: 0, election: "e".into() };
    for command in [campaign(session, 1), withdraw.clone(), Command::CloseSession { session }] {
        let refused = write(&node, 2, command.clone()).await;
        assert!(matches!(refused, Err(Failure::Forbidden { .. })), "{command}: {refused:?}");
    }
    let renew = |session, key| ask(&node, Request::Renew { session, key });
    assert!(matches!(renew(session, other).await, Err(Failure::Forbidden { .. })));
    assert!(matches!(renew(session, own).await, Ok(Response::Renewed(true))));
    let watch = |key| node.service().clone().call(Request::WatchSession { session, key });
    assert!(matches!(watch(other).await, Answer::Once(Err(Failure::Forbidden { .. }))));
    assert!(matches!(watch(own).await, Answer::Stream(_)));
    // Of a session that nobody has opened (yet) nothing is written to the log, whatever the key.
    for (command, expected) in [
        (campaign(session + 100, 0), Outcome::NoSession),
        (Command::CloseSession { session: session + 100 }, Outcome::Absent),
    ] {
        let answered = ask(&node, Request::Write { key: other, command }).await.unwrap();
        assert!(
            matches!(&answered, Response::Written { index: 0, outcome } if *outcome == expected),
            "{answered:?}"
        );
    }
    // It is all as it was, and its owner can do everything.
    assert_eq!(write(&node, 1, withdraw).await.unwrap(), Outcome::Removed);
    assert_eq!(write(&node, 1, Command::CloseSession { session }).await.unwrap(), Outcome::Removed);
    node.shutdown().await;
}

/// What a caller of this origin is answered.
async fn ask_as(node: &Node, caller: &Arc<Caller>, request: Request) -> Result<Response, Failure> {
    match node.service().handle(caller.clone(), request).await {
        Answer::Once(result) => result,
        Answer::Stream(_) => panic!("a stream"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_turn_left_waits_and_the_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let caller = |last| Arc::new(Caller::new(Sender::Client, Origin::address([10, 0, 0, last].into())));
    let (busy, other) = (caller(1), caller(2));
    let open = |key| Request::Open { key: SessionKey::of(key), ttl_ms: 60_000 };
    let all = busy
        .shares
        .turns
        .acquire_many(u32::try_from(busy.shares.turns.available_permits()).unwrap())
        .await
        .unwrap();
    let refused = ask_as(&node, &busy, open(1)).await.unwrap_err();
    assert!(
        matches!(&refused, Failure::Full { what } if what.contains("10.0.0.1 has 256 requests")),
        "{refused}"
    );
    ask_as(&node, &other, open(2)).await.unwrap();
    drop(all);
    ask_as(&node, &busy, open(1)).await.unwrap();
    // A caller that hangs up in the middle has its turn back when the write is done.
    let left = busy.shares.turns.available_permits();
    for key in 10..60 {
        let asked = ask_as(&node, &busy, open(key));
        tokio::time::timeout(Duration::from_micros(1), asked).await.ok();
    }
    let given_back = async {
        while busy.shares.turns.available_permits() < left {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back).await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_member_speaks_in_another_ones_name_and_no_client_as_a_member() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _disk) = Disk::open(dir.path());
    let node = alone(store, dir.path()).await;
    let vote = |node_id| {
        let vote = Vote { leader_id: AdvLeaderId { term: 99, node_id }, committed: true };
        [
            Request::Append(AppendEntriesRequest {
                vote,
                prev_log_id: None,
                entries: Vec::new(),
                leader_commit: None,
            }),
            Request::Vote(VoteRequest::new(vote, None)),
            Request::PreVote(VoteRequest::new(vote, None)),
            Request::Snapshot(SnapshotPart {
                vote,
                meta: SnapshotMeta::default(),
                offset: 0,
                bytes: Default::default(),
                last: true,
            }),
            Request::Transfer(Transfer { from: vote, to: 1, last: None }),
        ]
    };
    let origin = Origin::Certificate(Identity::Node(2));
    let member = Arc::new(Caller::new(Sender::Member { id: 2, incarnation: 1 }, origin.clone()));
    let client = Arc::new(Caller::new(Sender::Client, origin));
    for request in vote(3) {
        let refused = ask_as(&node, &member, request).await.unwrap_err();
        assert_eq!(refused.to_string(), "the node refuses the request: node 2 speaks in the name of node 3");
    }
    for request in vote(2) {
        let refused = ask_as(&node, &client, request).await.unwrap_err();
        assert!(refused.to_string().contains("it is for members of the group only"), "{refused}");
    }
    // And a member writes nothing on the connections between members.
    let open = Request::Open { key: SessionKey::of(1), ttl_ms: 1000 };
    let refused = ask_as(&node, &member, open).await.unwrap_err();
    assert!(refused.to_string().contains("not a request between members"), "{refused}");
    assert!(node.service().serves(), "term 99 was heard of nowhere");
    node.shutdown().await;
}
