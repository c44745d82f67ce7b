//! Bytes that were damaged on their way, or made up: every decoder of the backend, fed with mangled copies of
//! real encodings. What comes out may be an error or another value; never a panic, and never much memory.

use std::process::Command as Process;

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId as AdvLeaderId;
use openraft::raft::{AppendEntriesRequest, VoteRequest, VoteResponse};
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, EntryPayload, Membership};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::RaftConfig;
use crate::network::mangle::{self, Down, Greeting, Up};
use crate::network::{
    Change, Failure, Hello, Item, Refused, Request, Response, Sender, SessionKey, SnapshotPart, Status,
    Transfer,
};
use crate::state_machine::{
    CandidacyId, Command, Contest, Member, Outcome, Place, Refusal, SessionEvent, Standing, View,
};
use crate::store::row;
use crate::types::{CommittedLeaderId, Entry, LogId, SnapshotMeta, Vote};

type Decoder = fn(&[u8]) -> Result<(), String>;

/// Real encodings of one kind, and what reads them.
struct Kind {
    name: &'static str,
    samples: Vec<Vec<u8>>,
    decode: Decoder,
    /// Whether every damage must be noticed.
    checked: bool,
}

fn message<T: DeserializeOwned>(bytes: &[u8]) -> Result<(), String> {
    mangle::decode::<T>(bytes).map(drop).map_err(|error| error.to_string())
}

fn record<T: DeserializeOwned>(bytes: &[u8]) -> Result<(), String> {
    row::decode::<T>(bytes).map(drop).map_err(|error| error.to_string())
}

fn messages<T: Serialize + DeserializeOwned>(name: &'static str, samples: Vec<T>) -> Kind {
    let samples = samples.iter().map(|sample| postcard::to_stdvec(sample).unwrap()).collect();
    Kind { name, samples, decode: message::<T>, checked: false }
}

fn records<T: Serialize + DeserializeOwned>(name: &'static str, samples: Vec<T>) -> Kind {
    let samples = samples.iter().map(|sample| row::encode(sample).unwrap()).collect();
    Kind { name, samples, decode: record::<T>, checked: true }
}

fn vote() -> Vote {
    Vote { leader_id: AdvLeaderId { term: 7, node_id: 2 }, committed: true }
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(7, 2), index)
}

fn meta() -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(log_id(300)), ..SnapshotMeta::default() }
}

fn commands() -> Vec<Command> {
    let (candidacy, election) = (CandidacyId { session: 300, number: 2 }, String::from("billing"));
    vec![
        Command::OpenSession { nonce: u128::MAX / 3, ttl_ms: 350 },
        Command::CloseSession { session: 300 },
        Command::ExpireSessions { sessions: vec![1, 300, u64::MAX] },
        Command::Campaign {
            candidacy,
            floor: 1,
            election: election.clone(),
            id: "worker-1".into(),
            value: Bytes::from_static(b"10.0.0.1:80"),
        },
        Command::Withdraw { candidacy, floor: 1, election: election.clone() },
        Command::Remove { candidacy, election },
        Command::Enroll { node: 4, incarnation: u128::MAX / 9 },
    ]
}

fn entries() -> Vec<Entry> {
    let nodes: std::collections::BTreeMap<u64, BasicNode> =
        (1..=3).map(|id| (id, BasicNode::new("h:1"))).collect();
    let membership =
        Membership::new_with_defaults(vec![nodes.keys().copied().collect()], nodes.keys().copied());
    let normal = commands().into_iter().map(EntryPayload::Normal);
    let others = [EntryPayload::Blank, EntryPayload::Membership(membership)];
    (1..).zip(normal.chain(others)).map(|(index, payload)| Entry::new(log_id(index), payload)).collect()
}

fn requests() -> Vec<Request> {
    let (key, session) = (SessionKey::of(u128::MAX / 5), 300);
    let append = AppendEntriesRequest {
        vote: vote(),
        prev_log_id: Some(log_id(1)),
        entries: entries(),
        leader_commit: None,
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
        Request::Read { election: "billing".into() },
        Request::Queue { election: "billing".into() },
        Request::WatchSession { session, key },
        Request::Observe { election: "billing".into() },
        Request::Status,
        Request::Backup,
        Request::Change(Change::Add {
            node: 4,
            address: "h:1".into(),
            replaces: Some(2),
            incarnation: Some(7),
        }),
        Request::Change(Change::Remove { node: 2, force: false }),
        Request::WatchMembers,
        Request::Contests { after: "billing".into() },
    ];
    requests.extend(commands().into_iter().map(|command| Request::Write { key, command }));
    requests.extend(commands().into_iter().map(Request::Administer));
    requests
}

fn downs() -> Vec<Down> {
    let member = Member { id: 4, address: "h:1".into(), votes: true };
    let responses = [
        Response::Vote(VoteResponse::new(vote(), None, true)),
        Response::Snapshot(vote()),
        Response::Done,
        Response::Written { index: 300, outcome: Outcome::Queued { seat: 300, token: Some(300) } },
        Response::Written { index: 301, outcome: Outcome::Refused(Refusal::BytesOfOne) },
        Response::Renewed(true),
        Response::View(View { at: 300, leader: None }),
        Response::Queue(vec![Place {
            candidacy: CandidacyId { session: 3, number: 4 },
            id: "c".into(),
            token: Some(5),
        }]),
        Response::Status(Status {
            formed: true,
            list: [(1, "h:1".into())].into(),
            members: vec![member.clone()],
            used: vec![1, 2, 3],
            leader: Some(2),
            applied: 300,
            ..Status::default()
        }),
        Response::Members(vec![member.clone()]),
        Response::Contests(vec![Contest {
            election: "billing".into(),
            leader: Some("worker-1".into()),
            token: Some(300),
            candidates: 2,
        }]),
    ];
    let failures = [
        Failure::NotLeader { leader: Some(2) },
        Failure::Forbidden { why: "because".into() },
        Failure::Full { what: "all".into() },
        Failure::NotNow { why: "because".into() },
        Failure::Removed(Refused::Removed { id: 2, free: 5 }),
    ];
    let items = [
        Item::Session(SessionEvent::State { at: 9, standings: vec![Standing { number: 1, token: Some(8) }] }),
        Item::Session(SessionEvent::Gone),
        Item::View(View { at: 300, leader: None }),
        Item::Backup { length: 300, part: vec![5; 40].into() },
        Item::Members(vec![member]),
    ];
    let mut downs = vec![Down::End { id: 300 }, Down::Pong, Down::Bye { why: "because".into() }];
    downs.extend(responses.into_iter().map(|response| Down::Reply { id: 300, result: Ok(response) }));
    downs.extend(failures.into_iter().map(|failure| Down::Reply { id: 300, result: Err(failure) }));
    downs.extend(items.into_iter().map(|item| Down::Item { id: 300, item }));
    downs
}

fn kinds() -> Vec<Kind> {
    let member = Sender::Member { id: 2, incarnation: u128::MAX / 7 };
    let hellos = vec![Hello::new("election", member, 1), Hello::new("election", Sender::Client, 3)];
    let greetings: Vec<Greeting> = vec![
        Ok(mangle::Welcome { incarnation: u128::MAX / 3 }),
        Err(Refused::Version { theirs: 2 }),
        Err(Refused::Cluster { theirs: "a".into(), ours: "b".into() }),
        Err(Refused::Identity { shown: "a".into(), claimed: "b".into() }),
    ];
    let ups: Vec<Up> = requests().into_iter().map(|request| Up::Call { id: 300, request }).collect();
    let stream = ups.iter().flat_map(mangle::frame).collect();
    vec![
        messages("greeting", hellos),
        messages("its answer", greetings),
        messages("request", ups),
        messages("answer", downs()),
        Kind { name: "stream of frames", samples: vec![stream], decode: mangle::read_frames, checked: false },
        records("log entry", entries()),
        records("vote", vec![vote()]),
        records("mark", vec![log_id(300)]),
        records("snapshot", vec![(meta(), Bytes::from(vec![3; 200]))]),
    ]
}

/// What tends to go wrong: a bit, the end, the length in front.
fn mangled(sample: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let flipped = (0..sample.len() * 8).map(|bit| {
        let mut copy = sample.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    });
    let cut = (0..sample.len()).map(|end| sample[..end].to_vec());
    // A number that claims that four, or eight, gigabytes follow, in place of whatever was there.
    let huge: [&[u8]; 3] =
        [&[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]];
    let swollen = (0..sample.len()).flat_map(move |at| {
        huge.map(|number| {
            let mut copy = sample.to_vec();
            copy.splice(at..=at, number.iter().copied());
            copy
        })
    });
    flipped.chain(cut).chain(swollen)
}

#[test]
fn mangled_bytes_are_errors_or_other_values() {
    for Kind { name, samples, decode, checked } in kinds() {
        let mut errors = 0;
        for sample in samples {
            decode(&sample).unwrap_or_else(|error| panic!("a {name} as it was written: {error}"));
            for bytes in mangled(&sample) {
                match decode(&bytes) {
                    Ok(()) => assert!(!checked, "a damaged {name} is taken for a good one: {bytes:?}"),
                    Err(error) => {
                        errors += 1;
                        assert!(
                            error.contains("bytes that are no message")
                                || error.contains("a message of more than")
                                || error.contains("bytes remaining on stream")
                                || error.contains("a damaged record"),
                            "{name}: {error}"
                        );
                    }
                }
            }
        }
        assert!(errors > 0, "no damage to a {name} was noticed");
    }
}

/// Runs the test above in a process that may not have more than a gigabyte: an allocation of what a length says,
/// before the bytes are there, would end it.
#[test]
fn mangled_bytes_take_no_more_memory_than_they_are() {
    let own = std::env::current_exe().unwrap();
    let ran = Process::new("sh")
        .args(["-c", "ulimit -v 1000000 && exec \"$0\" \"$@\""])
        .arg(own)
        .args(["--exact", "mangled::mangled_bytes_are_errors_or_other_values", "--test-threads", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

proptest! {
    #[test]
    fn made_up_bytes_are_errors_or_values(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in kinds() {
            (kind.decode)(&bytes).ok();
        }
    }

    #[test]
    fn made_up_urls_are_errors_or_configurations(
        scheme in "(raft|rafts|etcd|)",
        hosts in "[a-z0-9.:,\\[\\]]{0,40}",
        query in "((node|data|listen|ttl|patience|ca|cert|key|plaintext|cluster|profile|x)=[^&#]{0,12}&?){0,5}",
        rest in "\\PC{0,20}",
    ) {
        RaftConfig::from_url(&format!("{scheme}://{hosts}?{query}{rest}")).ok();
        RaftConfig::from_url(&rest).ok();
    }

    #[test]
    fn a_mangled_url_is_an_error_or_a_configuration(at in 0..120usize, by in any::<char>()) {
        let good = "rafts://127.0.0.1:7001,[::1]:7002,h3:7003?node=1&data=%2Fvar%2Flib&profile=lan&ttl=400ms&ca=a&cert=b&key=c";
        prop_assert!(RaftConfig::from_url(good).is_ok());
        let mangled: String = good.chars().enumerate().map(|(place, c)| if place == at { by } else { c }).collect();
        RaftConfig::from_url(&mangled).ok();
    }
}
