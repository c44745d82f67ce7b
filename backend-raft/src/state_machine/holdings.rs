//! How much there is of everything, in all and in the hands of each client.
//!
//! Derived from the state, so it is not written to snapshots. Every member counts the same, because every
//! member applies the same entries: what one refuses, all refuse.

use std::collections::HashMap;

use super::command::Refusal;
use super::queue::Seat;
use super::session::Session;

/// The most sessions of a group, and of one client.
const SESSIONS: (usize, usize) = (100_000, 4_096);
/// The most records (candidacies in any queue) of a group, and of one client.
const RECORDS: (usize, usize) = (200_000, 100_000);
/// The most bytes in the records of a group, and of one client.
const BYTES: (usize, usize) = (256 * 1024 * 1024, 128 * 1024 * 1024);
/// What a record takes beside its candidate's id and value.
const RECORD_BYTES: usize = 128;

/// What somebody has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    sessions: usize,
    records: usize,
    bytes: usize,
    /// Numbers that sessions remember of candidacies that have gone.
    buried: usize,
}

/// Who opened a session: a part of what it is known by.
pub(super) type Opener = u64;

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holdings {
    all: Held,
    by_opener: HashMap<Opener, Held>,
}

fn bytes(id: &str, value: &[u8]) -> usize {
    RECORD_BYTES + id.len() + value.len()
}

impl Holdings {
    fn of(&self, opener: Opener) -> Held {
        self.by_opener.get(&opener).copied().unwrap_or_default()
    }

    /// How many records there are in all.
    pub(super) fn records(&self) -> usize {
        self.all.records
    }

    /// Whether there is room for one more session.
    pub(super) fn room_for_session(&self, opener: Opener) -> Result<(), Refusal> {
        if self.all.sessions >= SESSIONS.0 {
            return Err(Refusal::Sessions);
        }
        if self.of(opener).sessions >= SESSIONS.1 {
            return Err(Refusal::SessionsOfOne);
        }
        Ok(())
    }

    /// Whether there is room for one more record.
    pub(super) fn room_for_record(&self, opener: Opener, id: &str, value: &[u8]) -> Result<(), Refusal> {
        let (own, more) = (self.of(opener), bytes(id, value));
        if self.all.records >= RECORDS.0 {
            return Err(Refusal::Records);
        }
        if own.records >= RECORDS.1 {
            return Err(Refusal::RecordsOfOne);
        }
        if self.all.bytes + more > BYTES.0 {
            return Err(Refusal::Bytes);
        }
        if own.bytes + more > BYTES.1 {
            return Err(Refusal::BytesOfOne);
        }
        Ok(())
    }

    /// Counts a session.
    pub(super) fn add_session(&mut self, session: &Session) {
        self.change(session.opener(), |held| held.sessions += 1);
    }

    /// Counts a session no longer.
    pub(super) fn drop_session(&mut self, session: &Session) {
        self.change(session.opener(), |held| held.sessions = held.sessions.saturating_sub(1));
    }

    /// Counts a record.
    pub(super) fn add_record(&mut self, opener: Opener, seat: &Seat) {
        let more = bytes(&seat.id, &seat.value);
        self.change(opener, |held| {
            held.records += 1;
            held.bytes += more;
        });
    }

    /// Counts a record no longer.
    pub(super) fn drop_record(&mut self, opener: Opener, seat: &Seat) {
        let less = bytes(&seat.id, &seat.value);
        self.change(opener, |held| {
            held.records = held.records.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(less);
        });
    }

    /// Whether there is room to remember one more candidacy that has gone. There are no more of them than of
    /// records, unless a client makes up what it withdraws.
    pub(super) fn room_to_bury(&self, opener: Opener) -> Result<(), Refusal> {
        if self.all.buried >= RECORDS.0 {
            return Err(Refusal::Records);
        }
        if self.of(opener).buried >= RECORDS.1 {
            return Err(Refusal::RecordsOfOne);
        }
        Ok(())
    }

    /// Counts what a session remembers of candidacies that have gone: so many before, so many now.
    pub(super) fn recount_buried(&mut self, opener: Opener, before: usize, now: usize) {
        if before != now {
            self.change(opener, |held| held.buried = (held.buried + now).saturating_sub(before));
        }
    }

    fn change(&mut self, opener: Opener, change: impl Fn(&mut Held)) {
        change(&mut self.all);
        let own = self.by_opener.entry(opener).or_default();
        change(own);
        if *own == Held::default() {
            self.by_opener.remove(&opener);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_machine::CandidacyId;

    fn seat(bytes: usize) -> Seat {
        let candidacy = CandidacyId { session: 1, number: 0 };
        Seat { index: 1, candidacy, id: "c".into(), value: vec![0; bytes].into(), token: None }
    }

    #[test]
    fn one_client_leaves_room_for_the_others() {
        let mut holdings = Holdings::default();
        let session = |opener: u64| Session::new(u128::from(opener) << super::super::session::KEY_BITS, 1000);
        (0..SESSIONS.1).for_each(|_| holdings.add_session(&session(1)));
        assert_eq!(holdings.room_for_session(1), Err(Refusal::SessionsOfOne));
        assert_eq!(holdings.room_for_session(2), Ok(()));
        holdings.drop_session(&session(1));
        assert_eq!(holdings.room_for_session(1), Ok(()));

        let large = seat(64 * 1024);
        while holdings.room_for_record(1, &large.id, &large.value).is_ok() {
            holdings.add_record(1, &large);
        }
        assert_eq!(holdings.room_for_record(1, &large.id, &large.value), Err(Refusal::BytesOfOne));
        let small = seat(1);
        while holdings.room_for_record(2, &small.id, &small.value).is_ok() {
            holdings.add_record(2, &small);
        }
        assert_eq!(holdings.room_for_record(2, &small.id, &small.value), Err(Refusal::RecordsOfOne));
        assert_eq!(holdings.room_for_record(3, &small.id, &small.value), Ok(()));
    }

    #[test]
    fn all_together_are_bounded_too_and_what_is_given_back_is_forgotten() {
        let mut holdings = Holdings::default();
        let large = seat(64 * 1024);
        for opener in 0.. {
            match holdings.room_for_record(opener, &large.id, &large.value) {
                Ok(()) => holdings.add_record(opener, &large),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Bytes);
                    break;
                }
            }
        }
        let openers: Vec<_> = holdings.by_opener.keys().copied().collect();
        assert!(openers.len() > 4000);
        openers.into_iter().for_each(|opener| holdings.drop_record(opener, &large));
        assert_eq!(holdings, Holdings::default());
    }
}
