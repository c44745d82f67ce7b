//! This node's copy of the state, and those who watch it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use election_core::clock::Instant;
use tokio::sync::{Notify, mpsc, watch};

use super::command::{Command, Effect, Outcome, SessionId};
use super::deadlines::Deadlines;
use super::hub::{Hub, SessionEvent, View};
use super::roll::Stage;
use super::state::State;
use super::telling;
use super::views::{Contest, Member, Place, Totals};
use crate::store::Incarnation;
use crate::types::{CommittedLeaderId, LogId, Membership, NodeId};

/// What one lock protects. The deadlines are in here, and not beside it, because marking a session as
/// expiring, renewing it and applying its end must exclude each other.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) state: State,
    pub(super) applied: Option<LogId>,
    pub(super) membership: Membership,
    hub: Hub,
    /// Present while this node serves as Raft leader: under which leadership, and until when sessions live.
    office: Option<Office>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
struct Office {
    leader: CommittedLeaderId,
    deadlines: Deadlines,
}

impl Inner {
    /// The index of the last entry applied.
    pub(super) fn at(&self) -> u64 {
        self.applied.map_or(0, |id| id.index)
    }

    fn office(&mut self, leader: &CommittedLeaderId) -> Option<&mut Office> {
        self.office.as_mut().filter(|office| office.leader == *leader)
    }
}

/// A session's watch: its state, then what happens to it.
pub(crate) struct SessionWatch {
    /// The state at the moment the watch began.
    pub(crate) first: SessionEvent,
    /// What happened since. It ends with the session, with this node's leadership, or when it lags.
    pub(crate) events: mpsc::Receiver<SessionEvent>,
}

/// A shared handle to this node's copy of the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replica {
    inner: Arc<Mutex<Inner>>,
    /// Rung when the earliest deadline may have changed.
    changed: Arc<Notify>,
    /// The members, as far as applied: none before the group is formed.
    members: Arc<watch::Sender<Vec<Member>>>,
}

/// The members in a membership.
fn listed(membership: &Membership) -> Vec<Member> {
    let membership = membership.membership();
    let votes: Vec<NodeId> = membership.voter_ids().collect();
    let member = |(id, node): (&NodeId, &openraft::BasicNode)| Member {
        id: *id,
        address: node.addr.clone(),
        votes: votes.contains(id),
    };
    membership.nodes().map(member).collect()
}

impl Replica {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics halfway through a change, and a node that cannot read its state is of no
        // use to anybody: go on rather than take the process down.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies one entry and tells the watchers.
    pub(super) fn apply(&self, id: LogId, command: &Command) -> Outcome {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.effects.clear();
        let outcome = inner.state.apply(id.index, command, &mut inner.effects);
        inner.applied = Some(id);
        if let Some(office) = &mut inner.office {
            telling::tell(command, &inner.effects, &inner.state);
            for effect in &inner.effects {
                match effect {
                    Effect::SessionOpened { session, ttl_ms } => {
                        office.deadlines.open(*session, *ttl_ms, Instant::now());
                        self.changed.notify_one();
                    }
                    Effect::SessionGone { session } => office.deadlines.close(*session),
                    Effect::Granted { .. } | Effect::Deposed { .. } | Effect::LeaderChanged { .. } => {}
                }
            }
            inner.hub.publish(id.index, &inner.effects, &inner.state);
        }
        outcome
    }

    /// Applies an entry that changes the members.
    pub(super) fn change_members(&self, id: LogId, membership: Membership) {
        let members = listed(&membership);
        let mut inner = self.lock();
        inner.applied = Some(id);
        inner.membership = membership;
        inner.state.set_members(members.iter().map(|member| member.id));
        // Whoever reads the members may want the state next: who waited for him with the state in hand would wait for
        // ever.
        drop(inner);
        self.members.send_replace(members);
    }

    /// Replaces the state by a snapshot. Watchers are cut off: they read the state anew.
    pub(super) fn install(&self, mut state: State, applied: Option<LogId>, membership: Membership) {
        let members = listed(&membership);
        // A snapshot of before there was a roll says who the members are only here.
        state.set_members(members.iter().map(|member| member.id));
        self.members.send_replace(members);
        let mut inner = self.lock();
        inner.state = state;
        inner.applied = applied;
        inner.membership = membership;
        inner.office = None;
        inner.hub.clear();
    }

    /// Shows the state.
    #[cfg(feature = "sim")]
    pub(crate) fn with_state<T>(&self, show: impl FnOnce(&State) -> T) -> T {
        show(&self.lock().state)
    }

    /// Begins to serve as Raft leader. Call it after the first commit of this leadership.
    pub(crate) fn take_office(&self, leader: CommittedLeaderId) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.hub.clear();
        let deadlines = Deadlines::new(inner.state.sessions(), Instant::now());
        inner.office = Some(Office { leader, deadlines });
        #[cfg(feature = "sim")]
        crate::sim::took_office(&leader);
    }

    /// Stops serving as Raft leader: every stream ends, no session is renewed or expired.
    pub(crate) fn leave_office(&self) {
        let mut inner = self.lock();
        inner.office = None;
        inner.hub.clear();
    }

    /// Under which leadership this node serves, if it does.
    pub(crate) fn serving(&self) -> Option<CommittedLeaderId> {
        self.lock().office.as_ref().map(|office| office.leader)
    }

    /// Renews sessions after a quorum has confirmed `leader` later than each arrival. Tells, one by one,
    /// whether it worked; `None` if this node no longer serves under that leadership. Where there is no session
    /// to renew, the confirmation itself is all that was asked for.
    pub(crate) fn renew(
        &self,
        leader: &CommittedLeaderId,
        arrivals: impl Iterator<Item = (Option<SessionId>, Instant)>,
    ) -> Option<Vec<bool>> {
        let mut inner = self.lock();
        let office = inner.office(leader)?;
        let renew = |(session, arrival): (Option<SessionId>, Instant)| {
            session.is_none_or(|session| office.deadlines.renew(session, arrival))
        };
        Some(arrivals.map(renew).collect())
    }

    /// Marks the sessions whose time has passed, and says when the next one is due.
    pub(crate) fn mark_due(&self, leader: &CommittedLeaderId) -> (Vec<SessionId>, Option<Instant>) {
        let mut inner = self.lock();
        let Some(office) = inner.office(leader) else { return (Vec::new(), None) };
        (office.deadlines.mark_due(Instant::now()), office.deadlines.next())
    }

    /// Waits until the earliest deadline may have changed.
    pub(crate) async fn deadlines_changed(&self) {
        self.changed.notified().await;
    }

    /// Watches a session. `None` if this node does not serve as leader.
    pub(crate) fn watch_session(&self, session: SessionId) -> Option<SessionWatch> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.office.as_ref()?;
        let at = inner.at();
        Some(match inner.state.standings(session) {
            Some(standings) => {
                let first = SessionEvent::State { at, standings };
                SessionWatch { first, events: inner.hub.watch_session(session) }
            }
            // Nothing will ever happen to it, and ids are easy to make up: nothing is kept of it.
            None => SessionWatch { first: SessionEvent::Gone, events: mpsc::channel(1).1 },
        })
    }

    /// Watches an election. `None` if this node does not serve as leader.
    pub(crate) fn watch_election(&self, election: &str) -> Option<watch::Receiver<View>> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.office.as_ref()?;
        let view = View { at: inner.at(), leader: inner.state.leader(election) };
        Some(inner.hub.watch_election(election, view))
    }

    /// How much there is of everything.
    pub(crate) fn totals(&self) -> Totals {
        self.lock().state.totals()
    }

    /// All of this copy: up to which index, who the members are, and the state. True only after leadership was
    /// confirmed.
    pub(crate) fn whole(&self) -> (u64, Membership, State) {
        let inner = self.lock();
        (inner.at(), inner.membership.clone(), inner.state.clone())
    }

    /// An election as this copy knows it. True only after leadership was confirmed.
    pub(crate) fn view(&self, election: &str) -> View {
        let inner = self.lock();
        View { at: inner.at(), leader: inner.state.leader(election) }
    }

    /// The members, as far as this copy knows, and their changes.
    pub(crate) fn members(&self) -> watch::Receiver<Vec<Member>> {
        self.members.subscribe()
    }

    /// Where a member's id stands; `None` if it was never used.
    pub(crate) fn stage(&self, id: NodeId) -> Option<Stage> {
        self.lock().state.roll().stage(id)
    }

    /// The data directory that a member's id belongs to, if this copy knows.
    pub(crate) fn incarnation(&self, id: NodeId) -> Option<Incarnation> {
        self.lock().state.roll().incarnation(id)
    }

    /// An id that was never used, and all that were.
    pub(crate) fn used_ids(&self) -> (NodeId, Vec<NodeId>) {
        let inner = self.lock();
        (inner.state.roll().free(), inner.state.roll().ids().collect())
    }

    /// Elections by name, those after `after`, and no more than `most` of them.
    pub(crate) fn contests(&self, after: &str, most: usize) -> Vec<Contest> {
        self.lock().state.contests(after, most)
    }

    /// How many sessions there are, and how many elections.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.lock().state.counts()
    }

    /// What opened a session that this copy knows.
    pub(crate) fn nonce(&self, session: SessionId) -> Option<u128> {
        self.lock().state.nonce(session)
    }

    /// The queue of an election as this copy knows it.
    pub(crate) fn places(&self, election: &str) -> Vec<Place> {
        self.lock().state.places(election)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    /// A node's status read the members and, with them in hand, the ids that were used; a change of the members at
    /// that moment stopped the node for good.
    #[test]
    fn who_reads_the_members_may_read_the_state_while_they_change() {
        let replica = Replica::default();
        let members = replica.members();
        let read = members.borrow();
        let changing = replica.clone();
        std::thread::spawn(move || {
            changing.change_members(crate::samples::log_id(1), Membership::default());
        });
        // Until the change is there, or is stuck.
        std::thread::sleep(Duration::from_millis(100));
        let (told, answer) = channel();
        let reading = replica.clone();
        std::thread::spawn(move || told.send(reading.used_ids()));
        assert!(
            answer.recv_timeout(Duration::from_secs(10)).is_ok(),
            "the state is locked while somebody reads"
        );
        drop(read);
    }
}
