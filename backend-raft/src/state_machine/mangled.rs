//! A snapshot that was damaged and still can be read: whatever it says, nothing that is done with it panics.
//! (On disk a checksum tells; between members TLS does. This is for the member that is itself mistaken.)

use bytes::Bytes;
use openraft::vote::RaftLeaderId;
use proptest::prelude::*;

use super::command::{CandidacyId, Command};
use super::replica::Replica;
use super::state::State;
use crate::types::{CommittedLeaderId, LogId, Membership};

/// A state with sessions, queues and numbers to be remembered.
pub(crate) fn state() -> State {
    let mut state = State::default();
    let mut index = 0;
    let mut apply = |command: &Command| {
        index += 1;
        state.apply(index, command, &mut Vec::new());
    };
    for session in 1..=3u32 {
        apply(&Command::OpenSession { nonce: u128::from(session) << 81, ttl_ms: 1000 });
    }
    for (session, number) in (1..=3).flat_map(|session| (0..4).map(move |number| (session, number))) {
        let (candidacy, election) = (CandidacyId { session, number }, format!("e{}", number % 2));
        let value = Bytes::from_static(b"value");
        apply(&Command::Campaign { candidacy, floor: 0, election: election.clone(), id: "c".into(), value });
        if number == 2 {
            apply(&Command::Withdraw { candidacy, floor: 0, election });
        }
    }
    state
}

/// Does with a state all that a node does.
fn live_with(state: State) {
    let replica = Replica::default();
    let leader = CommittedLeaderId::new(1, 1);
    replica.install(state, Some(LogId::new(leader, 100)), Membership::default());
    replica.take_office(leader);
    replica.mark_due(&leader);
    for session in 0..4 {
        replica.watch_session(session);
        replica.nonce(session);
    }
    for election in ["e0", "e1"] {
        replica.view(election);
        replica.places(election);
        replica.watch_election(election);
    }
    let mut index = 100;
    let mut apply = |command: Command| {
        index += 1;
        replica.apply(LogId::new(leader, index), &command);
    };
    for (session, number) in (1..=3).flat_map(|session| (0..5).map(move |number| (session, number))) {
        let (candidacy, election) = (CandidacyId { session, number }, format!("e{}", number % 2));
        let value = Bytes::new();
        apply(Command::Campaign { candidacy, floor: 1, election: election.clone(), id: "c".into(), value });
        apply(Command::Remove { candidacy, election: election.clone() });
        apply(Command::Withdraw { candidacy, floor: 2, election });
    }
    apply(Command::OpenSession { nonce: 1, ttl_ms: 1000 });
    apply(Command::ExpireSessions { sessions: vec![1, 2, 3, u64::MAX] });
}

#[test]
fn a_flipped_bit_or_a_lost_end_leads_to_no_panic() {
    let good = state().encode().unwrap();
    live_with(State::decode(&good).unwrap());
    let mut read = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(state) = State::decode(&bytes) {
            read += 1;
            live_with(state);
        }
    }
    assert!(read > 0, "every one was noticed: then this shows nothing");
    for end in 0..good.len() {
        assert!(State::decode(&good[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn several_damages_lead_to_no_panic(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut bytes = state().encode().unwrap();
        for (at, by) in damages {
            let at = at.index(bytes.len());
            bytes[at] = by;
        }
        if let Ok(state) = State::decode(&bytes) {
            live_with(state);
        }
    }
}
