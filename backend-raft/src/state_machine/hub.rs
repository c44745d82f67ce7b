//! Those who watch a node's replica. Only the Raft leader has any.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::command::{CandidacyId, Effect, SessionId};
use super::state::State;
use super::views::{LeaderRecord, Standing};

/// How many events a session's watcher may lag behind before its stream is ended. It then connects again and
/// reads the whole state, which costs less than an unbounded queue.
const BACKLOG: usize = 4096;

/// One item of a session's watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionEvent {
    /// The first item: every candidacy of the session as of log index `at`.
    State {
        /// Log index up to which it is true.
        at: u64,
        /// The candidacies that are in a queue.
        standings: Vec<Standing>,
    },
    /// A candidacy leads now.
    Granted {
        /// Its number within the session.
        number: u64,
        /// Its token.
        token: u64,
    },
    /// A candidacy was removed behind its owner's back.
    Deposed {
        /// Its number within the session.
        number: u64,
    },
    /// The session is gone. The last item.
    Gone,
}

/// An election as of log index `at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct View {
    /// Log index up to which it is true.
    pub(crate) at: u64,
    /// The leader, if there is one.
    pub(crate) leader: Option<LeaderRecord>,
}

/// The watchers of sessions and of elections.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    sessions: HashMap<SessionId, Vec<mpsc::Sender<SessionEvent>>>,
    /// A `watch` channel keeps the newest state only: what an observer may skip costs no memory.
    elections: HashMap<String, watch::Sender<View>>,
    /// How many elections there may be before those that nobody watches any more are looked for.
    room: usize,
}

/// The least of that number.
const ROOM: usize = 64;

impl Hub {
    /// Watches a session, from the state as it is now.
    pub(crate) fn watch_session(&mut self, session: SessionId) -> mpsc::Receiver<SessionEvent> {
        let (events, receiver) = mpsc::channel(BACKLOG);
        let watchers = self.sessions.entry(session).or_default();
        // A client that connects again and again leaves nothing behind.
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(events);
        receiver
    }

    /// Watches an election, whose present state is `view`.
    pub(crate) fn watch_election(&mut self, election: &str, view: View) -> watch::Receiver<View> {
        if let Some(views) = self.elections.get(election) {
            // Nobody need be woken: it is what they know, and true up to a later entry. Whoever has read the election
            // since it last changed waits for a view that is not older.
            views.send_if_modified(|known| {
                known.at = view.at;
                false
            });
            return views.subscribe();
        }
        // An election that never changes tells nobody that its last observer has left. Looked for when their number
        // has doubled, so that it costs each observer little.
        if self.elections.len() >= self.room {
            self.elections.retain(|_, views| views.receiver_count() > 0);
            self.room = ROOM.max(self.elections.len() * 2);
        }
        let (views, receiver) = watch::channel(view);
        self.elections.insert(election.to_owned(), views);
        receiver
    }

    /// Tells the watchers what the entry at `at` changed.
    pub(crate) fn publish(&mut self, at: u64, effects: &[Effect], state: &State) {
        for effect in effects {
            match effect {
                Effect::SessionOpened { .. } => {}
                Effect::SessionGone { session } => {
                    self.send(*session, &SessionEvent::Gone);
                    self.sessions.remove(session);
                }
                Effect::Granted { candidacy: CandidacyId { session, number }, token } => {
                    self.send(*session, &SessionEvent::Granted { number: *number, token: *token });
                }
                Effect::Deposed { candidacy: CandidacyId { session, number } } => {
                    self.send(*session, &SessionEvent::Deposed { number: *number });
                }
                Effect::LeaderChanged { election } => self.announce(at, election, state),
            }
        }
    }

    fn send(&mut self, session: SessionId, event: &SessionEvent) {
        if let Some(watchers) = self.sessions.get_mut(&session) {
            watchers.retain(|watcher| watcher.try_send(event.clone()).is_ok());
        }
    }

    fn announce(&mut self, at: u64, election: &str, state: &State) {
        let Some(views) = self.elections.get(election) else { return };
        if views.receiver_count() == 0 {
            self.elections.remove(election);
        } else {
            views.send_replace(View { at, leader: state.leader(election) });
        }
    }

    /// Ends every stream: this node no longer leads, so what it knows may be old.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
        self.elections.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_that_have_gone_leave_nothing_behind() {
        let mut hub = Hub::default();
        let view = View { at: 1, leader: None };
        let kept = hub.watch_election("kept", view.clone());
        for i in 0..10 * ROOM {
            drop(hub.watch_election(&format!("e{i}"), view.clone()));
            assert!(hub.elections.len() <= ROOM);
        }
        assert!(hub.elections.contains_key("kept"));
        drop(kept);
    }

    #[test]
    fn who_watches_what_others_watch_already_is_told_as_of_now() {
        let mut hub = Hub::default();
        let first = hub.watch_election("e", View { at: 1, leader: None });
        let later = hub.watch_election("e", View { at: 9, leader: None });
        assert_eq!(later.borrow().at, 9);
        assert!(!first.has_changed().unwrap());
    }

    #[test]
    fn a_session_watched_again_and_again_has_one_watcher() {
        let mut hub = Hub::default();
        let mut last = hub.watch_session(7);
        for _ in 0..10 {
            last = hub.watch_session(7);
        }
        assert_eq!(
            hub.sessions[&7].len(),
            2,
            "the last one, and the one before it, which was there when it came"
        );
        hub.send(7, &SessionEvent::Gone);
        assert_eq!(last.try_recv(), Ok(SessionEvent::Gone));
    }
}
