//! What a process knows of the candidacies of its session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use election_core::{LeadershipHandle, Loss};
use tokio::sync::watch;

use crate::state_machine::{SessionEvent, Standing};

/// What is known of a candidacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It waits, or is not in the queue yet.
    Waiting,
    /// It leads.
    Granted(u64),
    /// Its record was removed behind our back.
    Deposed,
}

#[derive(Debug)]
struct Slot {
    news: watch::Sender<News>,
    /// Log index of the entry that queued it, once known.
    seat: Option<u64>,
    /// Log index of the newest state in which it was missing. Whether it had gone by then or was not queued yet is
    /// known with its seat, which may come later: an answer and the session's watch overtake each other.
    missing_at: Option<u64>,
    /// The leadership that was won, to tell it when the record is gone.
    leadership: Option<LeadershipHandle>,
}

impl Slot {
    /// Notes that its record was removed behind our back.
    fn depose(&self) {
        self.news.send_replace(News::Deposed);
        if let Some(leadership) = &self.leadership {
            leadership.end(Loss::Deposed);
        }
    }

    /// The same, if the record is known to have been there before it was missing.
    fn depose_if_gone(&self) {
        if self.seat.is_some() && self.seat <= self.missing_at {
            self.depose();
        }
    }
}

/// The candidacies of one session.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    /// Numbers of which it is not known yet whether their request took effect, or whether it was undone.
    unsettled: BTreeSet<u64>,
    slots: BTreeMap<u64, Slot>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new candidacy: its number, and where its news come from.
    pub(crate) fn enter(&self) -> (u64, watch::Receiver<News>) {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.unsettled.insert(number);
        let (news, receiver) = watch::channel(News::Waiting);
        inner.slots.insert(number, Slot { news, seat: None, missing_at: None, leadership: None });
        (number, receiver)
    }

    /// Every number below is settled: the state machine need not remember it.
    pub(crate) fn floor(&self) -> u64 {
        let inner = self.lock();
        inner.unsettled.first().copied().unwrap_or(inner.next)
    }

    /// Notes that the request of `number` took effect at log index `seat`.
    pub(crate) fn seated(&self, number: u64, seat: u64) {
        let mut inner = self.lock();
        inner.unsettled.remove(&number);
        if let Some(slot) = inner.slots.get_mut(&number) {
            slot.seat = Some(seat);
            slot.depose_if_gone();
        }
    }

    /// Forgets a candidacy whose record is known to be gone.
    pub(crate) fn gone(&self, number: u64) {
        let mut inner = self.lock();
        inner.unsettled.remove(&number);
        inner.slots.remove(&number);
    }

    /// Ties a leadership to its candidacy, so that it is told when the record goes.
    pub(crate) fn won(&self, number: u64, leadership: LeadershipHandle) {
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(&number) else { return };
        if *slot.news.borrow() == News::Deposed {
            leadership.end(Loss::Deposed);
        }
        slot.leadership = Some(leadership);
    }

    /// Notes that a candidacy leads. That settles its number, also if the answer to its request was lost; its
    /// place is then not known, but it was queued no later than it was granted.
    pub(crate) fn granted(&self, number: u64, token: u64) {
        let mut inner = self.lock();
        inner.unsettled.remove(&number);
        let Some(slot) = inner.slots.get_mut(&number) else { return };
        slot.seat.get_or_insert(token);
        slot.depose_if_gone();
        slot.news.send_if_modified(|news| {
            let waits = *news == News::Waiting;
            if waits {
                *news = News::Granted(token);
            }
            waits
        });
    }

    /// Notes that a candidacy's record was removed behind our back.
    fn deposed(&self, number: u64) {
        if let Some(slot) = self.lock().slots.get(&number) {
            slot.depose();
        }
    }

    /// Takes in an item of the session's watch; false if it says that the session is gone.
    pub(crate) fn learn(&self, event: SessionEvent) -> bool {
        match event {
            SessionEvent::State { at, standings } => self.reconcile(at, &standings),
            SessionEvent::Granted { number, token } => self.granted(number, token),
            SessionEvent::Deposed { number } => self.deposed(number),
            SessionEvent::Gone => return false,
        }
        true
    }

    /// Compares what is known with the whole state as of log index `at`: what happened while nobody watched.
    fn reconcile(&self, at: u64, standings: &[Standing]) {
        let there: BTreeSet<u64> = standings.iter().map(|standing| standing.number).collect();
        // A candidacy that was queued after `at`, or whose place is not known yet, may well be missing.
        for (_, slot) in self.lock().slots.iter_mut().filter(|(number, _)| !there.contains(number)) {
            slot.missing_at = slot.missing_at.max(Some(at));
            slot.depose_if_gone();
        }
        for standing in standings {
            if let Some(token) = standing.token {
                self.granted(standing.number, token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(number: u64, token: Option<u64>) -> Standing {
        Standing { number, token }
    }

    #[test]
    fn a_candidacy_that_is_missing_from_a_later_state_was_removed() {
        let registry = Registry::default();
        let news: Vec<_> = (0..4).map(|_| registry.enter().1).collect();
        registry.seated(0, 10);
        registry.seated(1, 11);
        registry.seated(2, 30);
        // As of 20: 0 is missing, 1 was granted meanwhile, 2 was queued later, of 3 nothing is known.
        assert!(registry.learn(SessionEvent::State { at: 20, standings: vec![standing(1, Some(15))] }));
        let read: Vec<News> = news.iter().map(|news| *news.borrow()).collect();
        assert_eq!(read, [News::Deposed, News::Granted(15), News::Waiting, News::Waiting]);
    }

    #[test]
    fn a_grant_that_is_heard_of_after_a_state_without_it_is_none() {
        let read = |seat, token, states: &[u64], answer_first: bool| {
            let registry = Registry::default();
            let (number, news) = registry.enter();
            let answered = || {
                registry.seated(number, seat);
                registry.granted(number, token);
            };
            if answer_first {
                answered();
            }
            for at in states {
                registry.learn(SessionEvent::State { at: *at, standings: vec![] });
            }
            if !answer_first {
                answered();
            }
            *news.borrow()
        };
        for answer_first in [false, true] {
            assert_eq!(read(30, 30, &[40], answer_first), News::Deposed);
            assert_eq!(read(30, 30, &[30], answer_first), News::Deposed);
            // A member that does not know yet that it was deposed shows an older state.
            assert_eq!(read(30, 30, &[40, 20], answer_first), News::Deposed);
            // Queued after the state was taken.
            assert_eq!(read(30, 30, &[29], answer_first), News::Granted(30));
            assert_eq!(read(30, 35, &[29], answer_first), News::Granted(35));
        }
    }

    #[test]
    fn a_candidacy_whose_answer_was_lost_is_judged_by_its_token() {
        let registry = Registry::default();
        let (number, news) = registry.enter();
        registry.learn(SessionEvent::State { at: 40, standings: vec![] });
        registry.learn(SessionEvent::Granted { number, token: 41 });
        assert_eq!(*news.borrow(), News::Granted(41));
        registry.learn(SessionEvent::State { at: 50, standings: vec![] });
        assert_eq!(*news.borrow(), News::Deposed);
    }

    #[test]
    fn a_grant_after_the_end_revives_nothing() {
        let registry = Registry::default();
        let (number, news) = registry.enter();
        registry.learn(SessionEvent::Deposed { number });
        registry.learn(SessionEvent::Granted { number, token: 7 });
        assert_eq!(*news.borrow(), News::Deposed);
    }

    #[test]
    fn the_floor_is_the_first_number_that_may_still_be_asked_for() {
        let registry = Registry::default();
        (0..3).for_each(|_| drop(registry.enter()));
        registry.seated(1, 5);
        assert_eq!(registry.floor(), 0);
        registry.gone(0);
        assert_eq!(registry.floor(), 2);
        registry.seated(2, 6);
        assert_eq!(registry.floor(), 3);
    }

    #[test]
    fn the_end_of_the_session_is_told() {
        assert!(!Registry::default().learn(SessionEvent::Gone));
    }
}
