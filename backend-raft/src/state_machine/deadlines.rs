//! When each session expires: the Raft leader's private knowledge, in memory, on the boot clock.
//!
//! It is built anew by each leader, which gives every session one full TTL (see [`Deadlines::new`]), and
//! thrown away when the leadership ends. It lives under the same lock as the state machine: so a session is
//! either marked as expiring or renewed, never both.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use election_core::clock::Instant;

use super::command::SessionId;

#[derive(Debug)]
struct Deadline {
    ttl: Duration,
    expires: Instant,
    /// Its expiry was, or is being, proposed. From then on no renewal is accepted: the entry may commit even
    /// if the proposal's answer is lost, and a renewal answered in between would be a false proof.
    expiring: bool,
}

/// The deadlines of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    sessions: HashMap<SessionId, Deadline>,
    /// The same, in order of time; without those that are expiring.
    order: BTreeSet<(Instant, SessionId)>,
}

impl Deadlines {
    /// Gives each session one full TTL from `now`, which lies after the first commit of this leadership. Any
    /// renewal that an earlier leader proved was proved before that commit, so no promise is broken.
    pub(crate) fn new(sessions: impl Iterator<Item = (SessionId, u64)>, now: Instant) -> Self {
        let mut deadlines = Self::default();
        for (session, ttl_ms) in sessions {
            deadlines.open(session, ttl_ms, now);
        }
        deadlines
    }

    /// Adds a session.
    pub(crate) fn open(&mut self, session: SessionId, ttl_ms: u64, now: Instant) {
        let ttl = Duration::from_millis(ttl_ms);
        let expires = now + ttl;
        self.sessions.insert(session, Deadline { ttl, expires, expiring: false });
        self.order.insert((expires, session));
    }

    /// Forgets a session.
    pub(crate) fn close(&mut self, session: SessionId) {
        if let Some(deadline) = self.sessions.remove(&session) {
            self.order.remove(&(deadline.expires, session));
        }
    }

    /// Lets the session live until `arrival` + TTL; false if it is unknown or expiring.
    pub(crate) fn renew(&mut self, session: SessionId, arrival: Instant) -> bool {
        let Some(deadline) = self.sessions.get_mut(&session) else { return false };
        if deadline.expiring {
            return false;
        }
        let expires = arrival + deadline.ttl;
        if expires > deadline.expires {
            self.order.remove(&(deadline.expires, session));
            self.order.insert((expires, session));
            deadline.expires = expires;
        }
        true
    }

    /// Marks the sessions whose time has passed as expiring, and names them.
    pub(crate) fn mark_due(&mut self, now: Instant) -> Vec<SessionId> {
        let mut due = Vec::new();
        while let Some((expires, session)) = self.order.first().copied() {
            if expires > now {
                break;
            }
            self.order.pop_first();
            if let Some(deadline) = self.sessions.get_mut(&session) {
                deadline.expiring = true;
                due.push(session);
            }
        }
        due
    }

    /// When the next session expires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(expires, _)| *expires)
    }

    /// How many sessions there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_renewal_counts_from_its_arrival_and_never_shortens() {
        let mut deadlines = Deadlines::new([(1, 100)].into_iter(), START);
        assert!(deadlines.renew(1, START + 50 * MS));
        assert!(deadlines.renew(1, START + 20 * MS), "a late answer to an early renewal is still a renewal");
        assert_eq!(deadlines.next(), Some(START + 150 * MS));
        assert!(deadlines.mark_due(START + 149 * MS).is_empty());
        assert_eq!(deadlines.mark_due(START + 150 * MS), [1]);
    }

    #[test]
    fn an_expiring_session_is_not_renewed_whatever_became_of_the_proposal() {
        let mut deadlines = Deadlines::new([(1, 100), (2, 200)].into_iter(), START);
        assert_eq!(deadlines.mark_due(START + 100 * MS), [1]);
        assert!(!deadlines.renew(1, START + 99 * MS), "it arrived in time, but its proof comes too late");
        assert!(deadlines.renew(2, START + 99 * MS));
        assert!(deadlines.mark_due(START + 150 * MS).is_empty(), "each session is named once");
        deadlines.close(1);
        assert_eq!(deadlines.len(), 1);
    }

    #[test]
    fn an_unknown_session_is_not_renewed() {
        assert!(!Deadlines::default().renew(7, START));
    }
}
