//! What the Raft backend takes for a proven renewal: `backend-raft/src/node/{renewals,office}.rs`,
//! `state_machine/deadlines.rs`.
//!
//! One session, and two leaders of the group in turn. That Raft itself keeps one log is assumed: only the newest
//! leader commits, and an entry that its predecessor left uncommitted is in its log or lost, as it happens. The older
//! leader may go on serving for as long as it likes.
//!
//! | action | code |
//! | --- | --- |
//! | `Send`, `Arrive` | `renewal::keep` reads `sent`; `Renewals::renew` reads the arrival |
//! | `Confirm` | `confirm_leadership`: a quorum acknowledges a round that began after the arrival |
//! | `Renew`, `Proven` | `Replica::renew` under the lock of the deadlines; `SessionState::prove` |
//! | `Mark`, `Propose`, `Commit` | `Deadlines::mark_due`, `office::propose`, the entry is applied |
//! | `Leave`, `Take` | `office::deposed` (for want of a quorum, also without a new leader); `settle`, `take_office` |
//! | `Elect` | a new leader, at any time: nothing here rests on leases of votes, so no embargo is needed either |
//! | `Restart`, `Heartbeat` | only for the variants that answer from a leader's lease |

use stateright::{Model, Property};

use crate::check::{breaks, holds};

const TTL: u8 = 3;
/// Of a leader, in the variants that have one.
const LEASE: u8 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// A renewal is answered by whoever takes itself for the leader.
    Unconfirmed,
    /// By whoever heard from a quorum within the lease; nobody votes within it, and who restarts waits for it.
    LeaseRead,
    /// The same, but who restarts votes at once.
    LeaseReadVotesAtOnce,
    /// A new leader does not give sessions a full TTL.
    NoFullTtl,
    /// The office is taken again after a round of a quorum, without committing what is in the log.
    SettledByRound,
    /// A session is renewed though its end has been proposed.
    RenewsExpiring,
}

#[derive(Clone)]
struct RaftProof(Variant);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Office {
    Out,
    Held { left: u8, expiring: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Renewal {
    None,
    Sent { age: u8 },
    Arrived { at: u8, age: u8, since: u8 },
    Confirmed { at: u8, age: u8, since: u8 },
    Renewed { age: u8 },
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The newest leader: 0 or 1.
    leader: u8,
    /// The session exists in the committed state.
    alive: bool,
    offices: [Office; 2],
    /// The end of the session is in this leader's log, and not committed.
    pending: [bool; 2],
    /// Since this leader last heard from a quorum.
    heard: [u8; 2],
    /// A voter has restarted since it last heard from its leader.
    forgetful: bool,
    left: u8,
    /// What is left of the time that a leader has promised with an answer to a renewal.
    promised: u8,
    renewal: Renewal,
    leaves: u8,
    proven_by_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Tick,
    Send,
    Arrive(u8),
    Confirm,
    Renew,
    Proven,
    GiveUp,
    Heartbeat,
    Restart,
    Elect { inherits: bool },
    Mark(u8),
    Propose(u8),
    Commit(u8),
    Leave(u8),
    Take(u8),
}

impl RaftProof {
    fn reads_lease(&self) -> bool {
        matches!(self.0, Variant::LeaseRead | Variant::LeaseReadVotesAtOnce)
    }

    fn renewal(&self, state: &mut State, action: Action) -> Option<()> {
        state.renewal = match (action, state.renewal) {
            (Action::Send, Renewal::None) if state.left > 0 => Renewal::Sent { age: 0 },
            (Action::Arrive(at), Renewal::Sent { age }) => match state.offices[at as usize] {
                Office::Held { .. } => Renewal::Arrived { at, age, since: 0 },
                Office::Out => return None,
            },
            (Action::Confirm, Renewal::Arrived { at, age, since }) => {
                let confirmed = match self.0 {
                    Variant::Unconfirmed => true,
                    _ if self.reads_lease() => state.heard[at as usize] < LEASE,
                    _ => at == state.leader,
                };
                confirmed.then_some(Renewal::Confirmed { at, age, since })?
            }
            (Action::Renew, Renewal::Confirmed { at, age, since }) => match &mut state.offices[at as usize] {
                Office::Held { expiring: true, .. } if self.0 != Variant::RenewsExpiring => Renewal::Refused,
                Office::Held { left, expiring } => {
                    *left = (*left).max(TTL - since);
                    *expiring = false;
                    state.promised = state.promised.max(TTL - since);
                    Renewal::Renewed { age }
                }
                Office::Out => Renewal::None,
            },
            (Action::Proven, Renewal::Renewed { age }) => {
                if state.left > 0 {
                    state.left = state.left.max(TTL - age);
                    state.proven_by_new |= state.leader == 1 && state.left == TTL - age;
                }
                Renewal::None
            }
            (Action::Proven, Renewal::Refused) => {
                state.left = 0;
                Renewal::None
            }
            (Action::GiveUp, Renewal::None) => return None,
            (Action::GiveUp, _) => Renewal::None,
            _ => return None,
        };
        Some(())
    }

    fn tick(state: &mut State) {
        state.left = state.left.saturating_sub(1);
        state.promised = state.promised.saturating_sub(1);
        for office in &mut state.offices {
            if let Office::Held { left, .. } = office {
                *left = left.saturating_sub(1);
            }
        }
        state.heard.iter_mut().for_each(|since| *since = (*since + 1).min(LEASE));
        match &mut state.renewal {
            Renewal::Sent { age } | Renewal::Renewed { age } => *age = (*age + 1).min(TTL),
            Renewal::Arrived { age, since, .. } | Renewal::Confirmed { age, since, .. } => {
                (*age, *since) = ((*age + 1).min(TTL), (*since + 1).min(TTL));
            }
            Renewal::None | Renewal::Refused => {}
        }
    }

    fn elect(&self, state: &mut State, inherits: bool) -> Option<()> {
        let voters_are_free = match self.0 {
            Variant::LeaseRead => state.heard[0] == LEASE,
            Variant::LeaseReadVotesAtOnce => state.heard[0] == LEASE || state.forgetful,
            _ => true,
        };
        if state.leader == 1 || !voters_are_free || inherits && !state.pending[0] {
            return None;
        }
        state.leader = 1;
        state.pending[1] = inherits;
        state.heard[1] = 0;
        Some(())
    }

    fn office(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Mark(n) => match &mut state.offices[n as usize] {
                Office::Held { left: 0, expiring } if !*expiring => *expiring = true,
                _ => return None,
            },
            Action::Propose(n) => {
                let Office::Held { expiring: true, .. } = state.offices[n as usize] else { return None };
                state.pending[n as usize] = true;
            }
            Action::Commit(n) if n == state.leader && state.pending[n as usize] => {
                state.pending[n as usize] = false;
                state.alive = false;
                state.offices[n as usize] = Office::Out;
            }
            Action::Leave(n) if state.leaves < 2 && state.offices[n as usize] != Office::Out => {
                state.offices[n as usize] = Office::Out;
                state.leaves += 1;
            }
            Action::Take(n)
                if n == state.leader && state.offices[n as usize] == Office::Out && state.alive =>
            {
                let pending = &mut state.pending[n as usize];
                if self.0 != Variant::SettledByRound && std::mem::replace(pending, false) {
                    state.alive = false;
                    return Some(());
                }
                let left = if self.0 == Variant::NoFullTtl { 0 } else { TTL };
                state.offices[n as usize] = Office::Held { left, expiring: false };
            }
            _ => return None,
        }
        Some(())
    }
}

impl Model for RaftProof {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            leader: 0,
            alive: true,
            offices: [Office::Held { left: TTL, expiring: false }, Office::Out],
            pending: [false; 2],
            heard: [0; 2],
            forgetful: false,
            left: TTL,
            promised: 0,
            renewal: Renewal::None,
            leaves: 0,
            proven_by_new: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([Tick, Send, Confirm, Renew, Proven, GiveUp]);
        actions.extend([Elect { inherits: false }, Elect { inherits: true }]);
        if self.reads_lease() {
            actions.extend([Heartbeat, Restart]);
        }
        (0..2).for_each(|n| actions.extend([Arrive(n), Mark(n), Propose(n), Commit(n), Leave(n), Take(n)]));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => Self::tick(&mut state),
            Action::Heartbeat => {
                state.heard[state.leader as usize] = 0;
                state.forgetful = false;
            }
            Action::Restart => state.forgetful = true,
            Action::Elect { inherits } => self.elect(&mut state, inherits)?,
            Action::Mark(_) | Action::Propose(_) | Action::Commit(_) | Action::Leave(_) | Action::Take(_) => {
                self.office(&mut state, action)?;
            }
            _ => self.renewal(&mut state, action)?,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STANDS, |_: &Self, state: &State| state.left == 0 || state.alive),
            Property::always(KEPT, |_: &Self, state: &State| state.promised == 0 || state.alive),
            Property::sometimes("a renewal proven by the new leader", |_: &Self, state: &State| {
                state.proven_by_new
            }),
            Property::sometimes("a session that expires", |_: &Self, state: &State| !state.alive),
            Property::sometimes("two leaders serve", |_: &Self, state: &State| {
                state.offices.iter().all(|office| *office != Office::Out)
            }),
            Property::sometimes("the end of a session is left in the log", |_: &Self, state: &State| {
                state.pending[0] && state.offices[0] == Office::Out
            }),
        ]
    }
}

const STANDS: &str = "S1: while the deadline lasts, the session lives";
/// More than S1 needs: a leader marks a session only after its deadline has passed at the client, who then believes no
/// answer that comes later.
const KEPT: &str = "a session lives as long as the answer to a renewal has promised";

#[test]
fn a_confirmed_renewal_is_proof() {
    holds("raft, renewals confirmed by a quorum", RaftProof(Variant::Recipe), 10_000);
    // Not what is done here; it shows what the embargo on votes is worth to it.
    holds("raft, leader's lease with an embargo on votes", RaftProof(Variant::LeaseRead), 10_000);
}

#[test]
fn naive_proofs_are_caught() {
    breaks("raft, renewals not confirmed", RaftProof(Variant::Unconfirmed), STANDS);
    breaks(
        "raft, leader's lease, votes right after a restart",
        RaftProof(Variant::LeaseReadVotesAtOnce),
        STANDS,
    );
    breaks("raft, no full TTL under a new leader", RaftProof(Variant::NoFullTtl), STANDS);
    breaks("raft, office taken by a round alone", RaftProof(Variant::SettledByRound), KEPT);
    breaks("raft, renewed while expiring", RaftProof(Variant::RenewsExpiring), KEPT);
}
