//! The state machine alone: what each command does, and what no sequence of commands can break.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::command::{CandidacyId, Command, Effect, Outcome, Refusal};
use super::state::State;

/// A state machine and the log index it has reached.
#[derive(Default)]
struct Machine {
    state: State,
    index: u64,
    effects: Vec<Effect>,
}

impl Machine {
    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        self.effects.clear();
        self.state.apply(self.index, &command, &mut self.effects)
    }

    fn open(&mut self) -> u64 {
        match self.apply(Command::OpenSession { nonce: u128::from(self.index), ttl_ms: 1000 }) {
            Outcome::Opened { session } => session,
            other => panic!("{other:?}"),
        }
    }

    fn campaign(&mut self, session: u64, number: u64, election: &str) -> Outcome {
        self.apply(campaign(session, number, 0, election))
    }

    fn withdraw(&mut self, session: u64, number: u64, election: &str) -> Outcome {
        let candidacy = CandidacyId { session, number };
        self.apply(Command::Withdraw { candidacy, floor: 0, election: election.into() })
    }

    fn token(&self, election: &str) -> Option<u64> {
        self.state.leader(election).map(|leader| leader.token)
    }
}

fn campaign(session: u64, number: u64, floor: u64, election: &str) -> Command {
    Command::Campaign {
        candidacy: CandidacyId { session, number },
        floor,
        election: election.into(),
        id: format!("c{number}"),
        value: Bytes::from_static(b"v"),
    }
}

#[test]
fn the_first_leads_and_the_others_wait_in_order() {
    let mut machine = Machine::default();
    let (a, b) = (machine.open(), machine.open());
    assert_eq!(machine.campaign(a, 0, "e"), Outcome::Queued { seat: 3, token: Some(3) });
    assert_eq!(machine.campaign(b, 0, "e"), Outcome::Queued { seat: 4, token: None });
    assert_eq!(machine.campaign(a, 1, "e"), Outcome::Queued { seat: 5, token: None });
    assert_eq!(machine.withdraw(a, 0, "e"), Outcome::Removed);
    let granted = Effect::Granted { candidacy: CandidacyId { session: b, number: 0 }, token: 6 };
    assert_eq!(machine.effects, [granted, Effect::LeaderChanged { election: "e".into() }]);
    assert_eq!(machine.withdraw(b, 0, "e"), Outcome::Removed);
    assert_eq!(machine.token("e"), Some(7));
    assert_eq!(machine.withdraw(a, 1, "e"), Outcome::Removed);
    assert_eq!(machine.token("e"), None);
}

#[test]
fn what_is_beyond_a_limit_is_refused_and_changes_nothing() {
    let mut machine = Machine::default();
    let session = machine.open();
    for number in 0..10_000 {
        machine.campaign(session, number, "e");
    }
    let before = machine.state.clone();
    assert_eq!(machine.campaign(session, 10_000, "e"), Outcome::Refused(Refusal::Candidates));
    assert_eq!(machine.state, before);
    // Room for one is made by one that goes, and the number that was refused is as good as before.
    assert_eq!(machine.withdraw(session, 5_000, "e"), Outcome::Removed);
    assert!(matches!(machine.campaign(session, 10_000, "e"), Outcome::Queued { .. }));
    // What was never there can be withdrawn only so often: each number is remembered.
    for number in 20_000.. {
        match machine.withdraw(session, number, "none") {
            Outcome::Absent => {}
            refused => {
                assert_eq!(
                    (refused, number),
                    (Outcome::Refused(Refusal::RecordsOfOne), 20_000 + 100_000 - 1)
                );
                break;
            }
        }
    }
    assert_eq!(machine.withdraw(session, 7_000, "e"), Outcome::Removed, "what is there can always go");
    // One client's sessions; another client has its own.
    let open = |opener: u128, n: u128| Command::OpenSession { nonce: opener << 80 | n, ttl_ms: 1000 };
    (0..4096).for_each(|n| assert!(matches!(machine.apply(open(1, n)), Outcome::Opened { .. })));
    assert_eq!(machine.apply(open(1, 4096)), Outcome::Refused(Refusal::SessionsOfOne));
    assert!(matches!(machine.apply(open(1, 5)), Outcome::Opened { .. }), "a repetition opens nothing new");
    let Outcome::Opened { session } = machine.apply(open(2, 0)) else { panic!("no room for another client") };
    assert!(matches!(machine.campaign(session, 0, "f"), Outcome::Queued { token: Some(_), .. }));
}

#[test]
fn a_waiter_that_leaves_wakes_nobody() {
    let mut machine = Machine::default();
    let session = machine.open();
    machine.campaign(session, 0, "e");
    machine.campaign(session, 1, "e");
    assert_eq!(machine.withdraw(session, 1, "e"), Outcome::Removed);
    assert!(machine.effects.is_empty());
}

#[test]
fn a_repeated_opening_finds_the_session() {
    let mut machine = Machine::default();
    let open = Command::OpenSession { nonce: 7, ttl_ms: 1000 };
    assert_eq!(machine.apply(open.clone()), Outcome::Opened { session: 1 });
    assert_eq!(machine.apply(open.clone()), Outcome::Opened { session: 1 });
    assert!(machine.effects.is_empty(), "nothing was opened the second time");
    machine.apply(Command::CloseSession { session: 1 });
    assert_eq!(machine.apply(open), Outcome::Opened { session: 4 }, "a closed session is never reopened");
}

#[test]
fn a_repeated_campaign_answers_with_the_present_state() {
    let mut machine = Machine::default();
    let session = machine.open();
    machine.campaign(session, 0, "e");
    machine.campaign(session, 1, "e");
    machine.withdraw(session, 0, "e");
    assert_eq!(machine.campaign(session, 1, "e"), Outcome::Queued { seat: 3, token: Some(4) });
    assert_eq!(machine.campaign(session, 1, "other"), Outcome::Withdrawn, "a number names one candidacy");
}

#[test]
fn a_campaign_that_comes_after_its_withdrawal_comes_to_nothing() {
    let mut machine = Machine::default();
    let session = machine.open();
    assert_eq!(machine.withdraw(session, 0, "e"), Outcome::Absent);
    assert_eq!(machine.campaign(session, 0, "e"), Outcome::Withdrawn);
    assert_eq!(machine.campaign(session, 1, "e"), Outcome::Queued { seat: 4, token: Some(4) });
    assert_eq!(machine.withdraw(session, 1, "e"), Outcome::Removed);
    assert_eq!(machine.campaign(session, 1, "e"), Outcome::Withdrawn);
}

#[test]
fn below_the_floor_a_duplicate_is_refused_without_being_remembered() {
    let mut machine = Machine::default();
    let session = machine.open();
    machine.campaign(session, 0, "e");
    machine.withdraw(session, 0, "e");
    assert!(matches!(machine.apply(campaign(session, 5, 5, "e")), Outcome::Queued { .. }));
    assert_eq!(machine.apply(campaign(session, 0, 0, "e")), Outcome::Withdrawn);
    assert_eq!(machine.apply(campaign(session, 4, 0, "e")), Outcome::Withdrawn);
    assert!(matches!(machine.apply(campaign(session, 5, 0, "e")), Outcome::Queued { seat: 4, .. }));
}

#[test]
fn a_removed_leader_is_told_and_cannot_come_back_by_a_duplicate() {
    let mut machine = Machine::default();
    let session = machine.open();
    machine.campaign(session, 0, "e");
    let remove =
        |number| Command::Remove { candidacy: CandidacyId { session, number }, election: "e".into() };
    assert_eq!(machine.apply(remove(1)), Outcome::Absent, "another candidacy");
    assert_eq!(machine.apply(remove(0)), Outcome::Removed);
    assert_eq!(machine.effects[0], Effect::Deposed { candidacy: CandidacyId { session, number: 0 } });
    assert_eq!(machine.campaign(session, 0, "e"), Outcome::Withdrawn);
}

#[test]
fn sessions_that_expire_in_one_entry_are_never_granted_to_each_other() {
    let mut machine = Machine::default();
    let sessions: Vec<u64> = (0..3).map(|_| machine.open()).collect();
    for session in &sessions {
        machine.campaign(*session, 0, "e");
        machine.campaign(*session, 1, "f");
    }
    machine.apply(Command::ExpireSessions { sessions: vec![sessions[1], sessions[0], 999] });
    let granted: Vec<_> = machine
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Granted { candidacy, token } => Some((candidacy.session, *token)),
            _ => None,
        })
        .collect();
    assert_eq!(granted, [(sessions[2], machine.index), (sessions[2], machine.index)]);
    assert_eq!(machine.campaign(sessions[0], 9, "e"), Outcome::NoSession);
}

#[test]
fn bounds_are_refused_and_change_nothing() {
    let mut machine = Machine::default();
    let session = machine.open();
    let before = machine.state.clone();
    let refused = [
        (Command::OpenSession { nonce: 99, ttl_ms: 1 }, Refusal::Ttl),
        (campaign(session, 0, 0, ""), Refusal::Name),
        (campaign(session, 0, 0, &"x".repeat(129)), Refusal::Name),
    ];
    for (command, refusal) in refused {
        assert_eq!(machine.apply(command), Outcome::Refused(refusal));
    }
    let mut large = campaign(session, 0, 0, "e");
    if let Command::Campaign { value, .. } = &mut large {
        *value = Bytes::from(vec![0; 64 * 1024 + 1]);
    }
    assert_eq!(machine.apply(large), Outcome::Refused(Refusal::Value));
    assert_eq!(machine.state, before);
}

#[test]
fn a_snapshot_keeps_the_ids_that_were_used_and_one_of_before_can_be_read() {
    let mut machine = Machine::default();
    machine.open();
    let before = postcard::to_stdvec(&machine.state).unwrap();
    assert_eq!(State::decode(&before).unwrap(), machine.state, "as it was written when there was no roll");
    machine.state.set_members([1, 2, 3]);
    assert_eq!(machine.apply(Command::Enroll { node: 3, incarnation: 30 }), Outcome::Enrolled);
    machine.state.set_members([1, 2]);
    let mut restored = State::decode(&machine.state.encode().unwrap()).unwrap();
    assert_eq!(restored, machine.state);
    let again = Command::Enroll { node: 3, incarnation: 31 };
    assert_eq!(restored.apply(99, &again, &mut Vec::new()), Outcome::Refused(Refusal::IdRemoved));
    // What comes after it is no snapshot of ours.
    let mut longer = machine.state.encode().unwrap();
    longer.push(0);
    assert!(State::decode(&longer).is_err());
}

/// Commands over few names, so that they meet.
fn any_command() -> impl Strategy<Value = Command> {
    let candidacy = || (1..6u64, 0..6u64).prop_map(|(session, number)| CandidacyId { session, number });
    let election = || prop_oneof!["e", "ee"].prop_map(String::from);
    prop_oneof![
        2 => (0..8u128).prop_map(|nonce| Command::OpenSession { nonce, ttl_ms: 1000 }),
        1 => (1..6u64).prop_map(|session| Command::CloseSession { session }),
        1 => prop::collection::vec(1..6u64, 0..3).prop_map(|sessions| Command::ExpireSessions { sessions }),
        8 => (candidacy(), 0..4u64, election()).prop_map(|(candidacy, floor, election)| Command::Campaign {
            candidacy, floor, election, id: "c".into(), value: Bytes::new(),
        }),
        4 => (candidacy(), 0..4u64, election())
            .prop_map(|(candidacy, floor, election)| Command::Withdraw { candidacy, floor, election }),
        1 => (candidacy(), election()).prop_map(|(candidacy, election)| Command::Remove { candidacy, election }),
        1 => (1..4u64, 0..3u128).prop_map(|(node, incarnation)| Command::Enroll { node, incarnation }),
    ]
}

/// Found by the sequences below: the count of what is remembered stayed behind when a withdrawal named another election,
/// so a member restored from a snapshot would have refused what the others accepted.
#[test]
fn a_withdrawal_that_comes_to_nothing_is_counted_like_any_other() {
    let mut machine = Machine::default();
    machine.apply(Command::OpenSession { nonce: 0, ttl_ms: 1000 });
    let at = |number| CandidacyId { session: 1, number };
    machine.apply(Command::Campaign {
        candidacy: at(3),
        floor: 0,
        election: "e".into(),
        id: "c".into(),
        value: Bytes::new(),
    });
    machine.apply(Command::Withdraw { candidacy: at(0), floor: 0, election: "e".into() });
    machine.apply(Command::Withdraw { candidacy: at(3), floor: 1, election: "ee".into() });
    let restored = State::decode(&machine.state.encode().unwrap()).unwrap();
    assert_eq!(restored, machine.state);
}

proptest! {
    /// Over any sequence: one leader per election, tokens strictly increase, grants go in the order of
    /// arrival, every change of a leader is told, and a snapshot restores exactly what it was taken of.
    #[test]
    fn no_sequence_of_commands_breaks_an_election(commands in prop::collection::vec(any_command(), 1..120)) {
        let mut machine = Machine::default();
        let mut tokens: BTreeMap<String, u64> = BTreeMap::new();
        for command in commands {
            let before: BTreeMap<&str, _> = ["e", "ee"].map(|name| (name, machine.token(name))).into();
            machine.apply(command);
            let told: BTreeSet<&str> = machine.effects.iter().filter_map(|effect| match effect {
                Effect::LeaderChanged { election } => Some(election.as_str()),
                _ => None,
            }).collect();
            for (name, before) in before {
                let after = machine.token(name);
                prop_assert_eq!(before != after, told.contains(name));
                if let Some(token) = after.filter(|_| before != after) {
                    prop_assert_eq!(token, machine.index);
                    prop_assert!(tokens.insert(name.into(), token).is_none_or(|last| last < token));
                }
            }
            for (name, queue) in machine.state.queues() {
                let seats: Vec<_> = queue.seats().collect();
                prop_assert!(!seats.is_empty(), "an empty queue is dropped");
                prop_assert!(seats[0].token.is_some(), "a queue without a leader");
                prop_assert!(seats[1..].iter().all(|seat| seat.token.is_none()), "two leaders");
                prop_assert!(seats.windows(2).all(|pair| pair[0].index < pair[1].index));
                for seat in seats {
                    let standings = machine.state.standings(seat.candidacy.session);
                    let known = standings.is_some_and(|all| all.iter().any(|one| {
                        one.number == seat.candidacy.number && one.token == seat.token
                    }));
                    prop_assert!(known, "{} has a seat without a session in {}", seat.candidacy, name);
                }
            }
            let bytes = machine.state.encode().unwrap();
            prop_assert_eq!(&State::decode(&bytes).unwrap(), &machine.state);
        }
    }

    /// Any entry may reach the log twice, at once or later: the second time changes no leader and adds no
    /// candidacy.
    #[test]
    fn a_duplicate_never_adds_a_candidacy(commands in prop::collection::vec(any_command(), 1..60)) {
        let mut machine = Machine::default();
        for command in commands {
            machine.apply(command.clone());
            let once = machine.state.clone();
            if !matches!(command, Command::OpenSession { .. }) {
                machine.apply(command);
                prop_assert_eq!(&machine.state, &once);
            }
        }
    }
}
