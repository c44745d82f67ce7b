//! [`Ledger`]: what the members of a simulated group apply, and whether it is the same.
//!
//! Raft's own promises, as far as they can be seen from outside of it: every member applies the same entry at the same
//! index, in order, and has the same state after it (state machine safety, and that [`State::apply`] is deterministic);
//! what was applied once is never taken back (leader completeness); leaderships in the log grow with the index (log
//! matching), and each belongs to the member that it names (election safety).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::host;
use crate::state_machine::{Outcome, Replica, State};
use crate::types::{CommittedLeaderId, LogId, SnapshotMeta};

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

    /// That member starts anew.
    pub fn restarts(&self, member: u64) {
        self.lock().applied.remove(&member);
    }

    fn enter(&self, member: u64, line: Line, state: impl FnOnce() -> State) {
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
                inner.state = state();
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
    let state = replica.with_state(digest);
    let line = Line { id, entry, outcome: format!("{outcome:?}"), state };
    ledger.enter(member, line, || replica.with_state(Clone::clone));
}

/// This process's member has replaced its state by a snapshot.
pub(crate) fn installed(meta: &SnapshotMeta, replica: &Replica) {
    let Some(host) = host() else { return };
    let (ledger, member) = host.ledger();
    ledger.enter_snapshot(member, meta, replica.with_state(digest));
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
