//! One or more of everything that is sent, for the tests of encodings.

use bytes::Bytes;
use openraft::impls::leader_id_adv::LeaderId as AdvLeaderId;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, VoteRequest, VoteResponse,
};

use super::key::SessionKey;
use super::refusal::{Failure, Refused};
use super::wire::{
    Change, Down, Greeting, Hello, Item, Request, Response, Sender, SnapshotPart, Status, Transfer, Up,
    Welcome,
};
use crate::samples::{CANDIDACY, commands, entries, log_id, meta, text, vote};
use crate::state_machine::{
    Contest, LeaderRecord, Member, Outcome, Place, Refusal, SessionEvent, Standing, View,
};
use crate::types::{TypeConfig, Vote};

pub(crate) fn changes() -> Vec<Change> {
    vec![
        Change::Add { node: 4, address: text("h4:1"), replaces: Some(2), incarnation: Some(7) },
        Change::Remove { node: 2, force: false },
    ]
}

pub(crate) fn requests() -> Vec<Request> {
    let (key, session, election) = (SessionKey::of(u128::MAX / 5), 300, text("billing"));
    let append = AppendEntriesRequest {
        vote: vote(),
        prev_log_id: Some(log_id(1)),
        entries: entries(),
        leader_commit: Some(log_id(2)),
    };
    let part =
        SnapshotPart { vote: vote(), meta: meta(), offset: 512, bytes: vec![1; 40].into(), last: true };
    let mut requests = vec![
        Request::Append(append),
        Request::Vote(VoteRequest::new(vote(), Some(log_id(9)))),
        Request::PreVote(VoteRequest::new(vote(), None)),
        Request::Snapshot(part),
        Request::Transfer(Transfer { from: vote(), to: 3, last: Some(log_id(5)) }),
        Request::Open { key, ttl_ms: 350 },
        Request::Renew { session, key },
        Request::Read { election: election.clone() },
        Request::Queue { election: election.clone() },
        Request::WatchSession { session, key },
        Request::Observe { election: election.clone() },
        Request::Status,
        Request::Backup,
        Request::WatchMembers,
        Request::Contests { after: election },
    ];
    requests.extend(changes().into_iter().map(Request::Change));
    requests.extend(commands().into_iter().map(|command| Request::Write { key, command }));
    requests.extend(commands().into_iter().map(Request::Administer));
    requests
}

pub(crate) fn ups() -> Vec<Up> {
    let calls = requests().into_iter().map(|request| Up::Call { id: 300, request });
    calls.chain([Up::Cancel { id: 300 }, Up::Ping]).collect()
}

pub(crate) fn senders() -> Vec<Sender> {
    vec![Sender::Member { id: 2, incarnation: u128::MAX / 7 }, Sender::Client]
}

pub(crate) fn hellos() -> Vec<Hello> {
    (1..).zip(senders()).map(|(target, sender)| Hello::new("election", sender, target)).collect()
}

pub(crate) fn refused() -> Vec<Refused> {
    vec![
        Refused::Version { theirs: 2 },
        Refused::Cluster { theirs: text("a"), ours: text("b") },
        Refused::Node { theirs: 2, ours: 3 },
        Refused::Incarnation { id: 2 },
        Refused::Removed { id: 2, free: 5 },
        Refused::Unable { why: text("because") },
        Refused::Plaintext,
        Refused::Identity { shown: text("a"), claimed: text("b") },
        Refused::Full { what: text("all") },
    ]
}

pub(crate) fn greetings() -> Vec<Greeting> {
    let welcome = Welcome { incarnation: u128::MAX / 3 };
    std::iter::once(Ok(welcome)).chain(refused().into_iter().map(Err)).collect()
}

pub(crate) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::Name,
        Refusal::Value,
        Refusal::Ttl,
        Refusal::Sessions,
        Refusal::Candidacies,
        Refusal::SessionsOfOne,
        Refusal::Records,
        Refusal::RecordsOfOne,
        Refusal::Candidates,
        Refusal::Bytes,
        Refusal::BytesOfOne,
        Refusal::IdTaken,
        Refusal::IdRemoved,
    ]
}

pub(crate) fn outcomes() -> Vec<Outcome> {
    let mut outcomes = vec![
        Outcome::Nothing,
        Outcome::Opened { session: 300 },
        Outcome::Queued { seat: 301, token: Some(302) },
        Outcome::Withdrawn,
        Outcome::Removed,
        Outcome::Absent,
        Outcome::NoSession,
        Outcome::Enrolled,
    ];
    outcomes.extend(refusals().into_iter().map(Outcome::Refused));
    outcomes
}

pub(crate) fn appended() -> Vec<AppendEntriesResponse<TypeConfig>> {
    vec![
        AppendEntriesResponse::Success,
        AppendEntriesResponse::PartialSuccess(Some(log_id(9))),
        AppendEntriesResponse::Conflict,
        AppendEntriesResponse::HigherVote(vote()),
    ]
}

pub(crate) fn not_transferred() -> Vec<TransferLeaderError<TypeConfig>> {
    let older = Vote { leader_id: AdvLeaderId { term: 6, node_id: 1 }, committed: false };
    vec![
        TransferLeaderError::VoteChanged { expected: older, actual: vote() },
        TransferLeaderError::LogNotFlushed { expected: Some(log_id(9)), actual: Some(log_id(8)) },
    ]
}

fn member() -> Member {
    Member { id: 4, address: text("h4:1"), votes: true }
}

fn view() -> View {
    let leader = LeaderRecord { id: text("worker-1"), value: Bytes::from_static(b"10.0.0.1:80"), token: 299 };
    View { at: 300, leader: Some(leader) }
}

pub(crate) fn responses() -> Vec<Response> {
    let status = Status {
        formed: true,
        pristine: false,
        joins: true,
        incarnation: u128::MAX / 7,
        list: [(1, text("h1:1"))].into(),
        members: vec![member()],
        used: vec![1, 2, 3],
        leader: Some(2),
        term: 7,
        last: 303,
        committed: 302,
        applied: 301,
        sessions: 5,
        elections: 6,
    };
    let contest = Contest {
        election: text("billing"),
        leader: Some(text("worker-1")),
        token: Some(300),
        candidates: 2,
    };
    let mut responses = vec![
        Response::Vote(VoteResponse::new(vote(), Some(log_id(9)), true)),
        Response::Snapshot(vote()),
        Response::Transfer(Ok(())),
        Response::Done,
        Response::Renewed(true),
        Response::View(view()),
        Response::View(View { at: 300, leader: None }),
        Response::Queue(vec![Place { candidacy: CANDIDACY, id: text("c"), token: Some(5) }]),
        Response::Status(status),
        Response::Members(vec![member()]),
        Response::Contests(vec![contest]),
    ];
    responses.extend(appended().into_iter().map(Response::Append));
    responses.extend(not_transferred().into_iter().map(|error| Response::Transfer(Err(error))));
    responses.extend(outcomes().into_iter().map(|outcome| Response::Written { index: 303, outcome }));
    responses
}

pub(crate) fn failures() -> Vec<Failure> {
    vec![
        Failure::NotLeader { leader: Some(2) },
        Failure::NoQuorum,
        Failure::Unknown,
        Failure::Embargo,
        Failure::Forbidden { why: text("because") },
        Failure::Stopped { why: text("because") },
        Failure::Full { what: text("all") },
        Failure::NotNow { why: text("because") },
        Failure::Never { why: text("because") },
        Failure::Removed(Refused::Removed { id: 2, free: 5 }),
    ]
}

pub(crate) fn session_events() -> Vec<SessionEvent> {
    vec![
        SessionEvent::State { at: 9, standings: vec![Standing { number: 1, token: Some(8) }] },
        SessionEvent::Granted { number: 1, token: 8 },
        SessionEvent::Deposed { number: 1 },
        SessionEvent::Gone,
    ]
}

pub(crate) fn items() -> Vec<Item> {
    let session = session_events().into_iter().map(Item::Session);
    let others = [
        Item::View(view()),
        Item::Backup { length: 300, part: vec![5; 40].into() },
        Item::Members(vec![member()]),
    ];
    session.chain(others).collect()
}

pub(crate) fn downs() -> Vec<Down> {
    let mut downs = vec![Down::End { id: 300 }, Down::Pong, Down::Bye { why: text("because") }];
    let results = responses().into_iter().map(Ok).chain(failures().into_iter().map(Err));
    downs.extend(results.map(|result| Down::Reply { id: 300, result }));
    downs.extend(items().into_iter().map(|item| Down::Item { id: 300, item }));
    downs
}
