//! [`Ledger`]: what the members of a simulated group apply, and whether it is the same.
//!
//! Raft's own promises, as far as they can be seen from outside of it: every member applies the same entry at the same
//! index, in order, and has the same state after it (state machine safety, and that [`State::apply`] is deterministic);
//! what was applied once is never taken back (leader completeness); leaderships in the log grow with the index (log
//! matching), and each belongs to the member that it names (election safety). And one of this backend: whoever was a
//! member and is none any more never is one again, and an id belongs to one data directory for good.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::host;
use crate::state_machine::{Outcome, Replica, State};
use crate::store::Incarnation;
use crate::types::{CommittedLeaderId, LogId, NodeId, SnapshotMeta};

/// What happened at one index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    id: LogId,
    entry: u64,
    outcome: String,
    state: u64,
}

/// A record of an election: its token, if it leads, and its candidate's id and value.
pub type Record = (Option<u64>, String, Vec<u8>);

#[derive(Debug, Default)]
struct Inner {
    lines: BTreeMap<u64, Line>,
    /// The state after the last line.
    state: State,
    /// The members after the last line, and those who were one before.
    members: BTreeSet<NodeId>,
    gone: BTreeSet<NodeId>,
    /// How many of them came when the group existed, and how many went.
    changes: (u64, u64),
    /// The data directory of each id, once it is known.
    owners: BTreeMap<NodeId, Incarnation>,
    /// Up to where each member has applied, in its present life.
    applied: BTreeMap<u64, u64>,
    /// How many leaderships began to serve.
    offices: u64,
    last_office: Option<(u64, u64)>,
    violations: Vec<String>,
    compared: u64,
}

/// What a group has applied.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Inner>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found wrong, in words.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// The records of an election after the last entry that any member has applied, first come first. Whatever was
    /// acknowledged to anybody is in it.
    #[must_use]
    pub fn records(&self, election: &str) -> Vec<Record> {
        self.lock().state.records(election)
    }

    /// A sum over all that was applied.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let inner = self.lock();
        inner.lines.values().fold(0, |sum, line| {
            let mut hasher = DefaultHasher::new();
            (sum, line.entry, line.state, &line.outcome).hash(&mut hasher);
            hasher.finish()
        })
    }

    /// How many entries were applied for the first time, how often a member's were compared with those, and how many
    /// leaderships began to serve.
    #[must_use]
    pub fn counts(&self) -> (usize, u64, u64) {
        let inner = self.lock();
        (inner.lines.len(), inner.compared, inner.offices)
    }

    /// The term of the last leadership that began to serve, and the member that has it.
    #[must_use]
    pub fn leader(&self) -> Option<(u64, u64)> {
        self.lock().last_office
    }

    /// The members after the last entry that any of them has applied; nobody before the group is formed.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.lock().members.clone()
    }

    /// How many members came after the group was formed, and how many went.
    #[must_use]
    pub fn changes(&self) -> (u64, u64) {
        self.lock().changes
    }

    /// Whether that one was a member and is none any more.
    #[must_use]
    pub fn has_left(&self, member: NodeId) -> bool {
        self.lock().gone.contains(&member)
    }

    /// That member starts anew.
    pub fn restarts(&self, member: u64) {
        self.lock().applied.remove(&member);
    }

    fn enter(&self, member: u64, line: Line, replica: &Replica) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let index = line.id.index;
        let before = inner.applied.insert(member, index);
        if before.is_some_and(|before| before + 1 != index) {
            inner.violations.push(format!("member {member} applied index {index} after {before:?}"));
        }
        match inner.lines.get(&index) {
            Some(first) => {
                inner.compared += 1;
                if *first != line {
                    let says = format!("member {member} applied {line:?}, and another one {first:?}");
                    inner.violations.push(says);
                }
            }
            None => {
                let last = inner.lines.last_key_value();
                if let Some((at, last)) = last
                    && (*at + 1 != index || last.id.leader_id > line.id.leader_id)
                {
                    let says = format!("member {member} applied {:?} first, after {:?}", line.id, last.id);
                    inner.violations.push(says);
                }
                inner.lines.insert(index, line);
                inner.state = replica.with_state(Clone::clone);
                let members = replica.members().borrow().iter().map(|member| member.id).collect();
                inner.replace_members(index, members);
            }
        }
    }

    fn enter_snapshot(&self, member: u64, meta: &SnapshotMeta, state: u64) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(id) = meta.last_log_id else { return };
        inner.applied.insert(member, id.index);
        inner.compared += 1;
        let known = inner.lines.get(&id.index).map(|line| (line.id, line.state));
        if known != Some((id, state)) {
            let says =
                format!("member {member} installed the snapshot of {id:?} ({state:x}), known is {known:?}");
            inner.violations.push(says);
        }
    }
}

impl Inner {
    /// Takes in who the members are after the entry at `index`, and whose their ids are.
    fn replace_members(&mut self, index: u64, members: BTreeSet<NodeId>) {
        for id in members.intersection(&self.gone) {
            self.violations.push(format!("the id {id} is used a second time, at index {index}"));
        }
        if !self.members.is_empty() {
            self.changes.0 += members.difference(&self.members).count() as u64;
            self.changes.1 += self.members.difference(&members).count() as u64;
        }
        self.gone.extend(self.members.difference(&members));
        self.members = members;
        for id in self.state.roll().ids() {
            let Some(owner) = self.state.roll().incarnation(id) else { continue };
            let known = *self.owners.entry(id).or_insert(owner);
            if known != owner {
                self.violations.push(format!("the id {id} has another data directory at index {index}"));
            }
        }
    }
}

/// A hash of a state, and of its roll of members.
fn state_digest(state: &State) -> u64 {
    digest(&state.encode().unwrap_or_default())
}

/// A hash of whatever can be written.
pub(crate) fn digest(value: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    postcard::to_stdvec(value).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// This process's member has applied an entry.
pub(crate) fn applied(id: LogId, entry: u64, outcome: &Outcome, replica: &Replica) {
    let Some(host) = host() else { return };
    let (ledger, member) = host.ledger();
    let state = replica.with_state(state_digest);
    let line = Line { id, entry, outcome: format!("{outcome:?}"), state };
    ledger.enter(member, line, replica);
}

/// This process's member has replaced its state by a snapshot.
pub(crate) fn installed(meta: &SnapshotMeta, replica: &Replica) {
    let Some(host) = host() else { return };
    let (ledger, member) = host.ledger();
    ledger.enter_snapshot(member, meta, replica.with_state(state_digest));
}

/// This process's member begins to serve under that leadership.
pub(crate) fn took_office(leader: &CommittedLeaderId) {
    let Some(host) = host() else { return };
    let (ledger, member) = host.ledger();
    let mut inner = ledger.lock();
    inner.offices += 1;
    inner.last_office = Some((leader.term, member));
    if leader.node_id != member {
        inner.violations.push(format!("member {member} serves under the leadership {leader}"));
    }
}

/// This process's member has answered another one that asked for its vote.
pub(crate) fn voted(granted: bool, transfer: bool) {
    if let Some(host) = host().filter(|_| granted && !transfer) {
        host.votes();
    }
}
