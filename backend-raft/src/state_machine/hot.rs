//! For the instruction counts of this project's benches, and no part of the API: it may change at any time.

use bytes::Bytes;

use super::command::{CandidacyId, Command, Effect, Outcome};
use super::state::State;

/// A state machine with a crowd in it.
#[derive(Debug)]
pub struct Machine {
    state: State,
    session: u64,
    index: u64,
    number: u64,
    effects: Vec<Effect>,
}

impl Machine {
    /// One session that leads in so many elections.
    ///
    /// # Panics
    /// When the state machine refuses.
    #[must_use]
    pub fn new(elections: u64) -> Self {
        let mut machine =
            Self { state: State::default(), session: 1, index: 0, number: 0, effects: Vec::new() };
        let opened = machine.apply(&Command::OpenSession { nonce: 7, ttl_ms: 1000 });
        assert_eq!(opened, Outcome::Opened { session: 1 });
        for _ in 0..elections {
            machine.campaign();
        }
        machine
    }

    /// A campaign that wins, and its withdrawal: two entries of the log.
    ///
    /// # Panics
    /// When the state machine refuses.
    pub fn step(&mut self) {
        let (candidacy, election) = self.campaign();
        let withdrawn = self.apply(&Command::Withdraw { candidacy, floor: 0, election });
        assert_eq!(withdrawn, Outcome::Removed);
    }

    fn campaign(&mut self) -> (CandidacyId, String) {
        self.number += 1;
        let candidacy = CandidacyId { session: self.session, number: self.number };
        let election = format!("election-{:06}", self.number);
        let (id, value) = ("worker-1".to_owned(), Bytes::from_static(b"10.0.0.7:8080"));
        // The floor moves along, as a client's does: what was withdrawn is forgotten.
        let floor = self.number.saturating_sub(1);
        let queued =
            self.apply(&Command::Campaign { candidacy, floor, election: election.clone(), id, value });
        assert!(matches!(queued, Outcome::Queued { token: Some(_), .. }), "{queued:?}");
        (candidacy, election)
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.index += 1;
        self.effects.clear();
        self.state.apply(self.index, command, &mut self.effects)
    }
}
