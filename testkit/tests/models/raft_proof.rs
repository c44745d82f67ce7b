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

mod properties;

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
