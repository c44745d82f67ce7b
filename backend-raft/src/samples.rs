//! One or more of everything that is written, for the tests of encodings. What is sent is in `network/samples.rs`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId as AdvLeaderId;
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, EntryPayload, Membership};

use crate::state_machine::mangled::state;
use crate::state_machine::{CandidacyId, Command};
use crate::types::{CommittedLeaderId, Entry, LogId, SnapshotMeta, Vote};

pub(crate) const CANDIDACY: CandidacyId = CandidacyId { session: 300, number: 2 };

pub(crate) fn text(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn vote() -> Vote {
    Vote { leader_id: AdvLeaderId { term: 7, node_id: 2 }, committed: true }
}

pub(crate) fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(7, 2), index)
}

fn membership() -> Membership<u64, BasicNode> {
    let nodes: BTreeMap<u64, BasicNode> =
        (1..=4).map(|id| (id, BasicNode::new(format!("h{id}:1")))).collect();
    // In the middle of a change; the fourth does not vote.
    Membership::new(vec![BTreeSet::from([1, 2]), BTreeSet::from([1, 2, 3])], nodes).unwrap()
}

pub(crate) fn meta() -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(log_id(300)),
        last_membership: crate::types::Membership::new(Some(log_id(200)), membership()),
    }
}

pub(crate) fn commands() -> Vec<Command> {
    let (candidacy, election) = (CANDIDACY, text("billing"));
    vec![
        Command::OpenSession { nonce: u128::MAX / 3, ttl_ms: 350 },
        Command::CloseSession { session: 300 },
        Command::ExpireSessions { sessions: vec![1, 300, u64::MAX] },
        Command::Campaign {
            candidacy,
            floor: 1,
            election: election.clone(),
            id: text("worker-1"),
            value: Bytes::from_static(b"10.0.0.1:80"),
        },
        Command::Withdraw { candidacy, floor: 1, election: election.clone() },
        Command::Remove { candidacy, election },
        Command::Enroll { node: 4, incarnation: u128::MAX / 9 },
    ]
}

pub(crate) fn payloads() -> Vec<EntryPayload<Command, u64, BasicNode>> {
    let normal = commands().into_iter().map(EntryPayload::Normal);
    normal.chain([EntryPayload::Blank, EntryPayload::Membership(membership())]).collect()
}

pub(crate) fn entries() -> Vec<Entry> {
    (1..).zip(payloads()).map(|(index, payload)| Entry::new(log_id(index), payload)).collect()
}

/// With ids at every stage.
pub(crate) fn snapshot() -> Vec<u8> {
    let mut state = state();
    for node in 2..=3 {
        let enroll = Command::Enroll { node, incarnation: u128::MAX / u128::from(node) };
        state.apply(100 + node, &enroll, &mut Vec::new());
    }
    state.set_members([1, 2]);
    state.set_members([2]);
    state.encode().unwrap()
}
