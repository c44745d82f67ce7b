//! What the etcd backend takes for a proven renewal: `backend-etcd/src/proof/{keep_alive,swap}.rs`.
//!
//! One session with one record, on a cluster whose leader may be deposed once without noticing: it goes on answering
//! keep-alives (etcd #15247), and on servers without the fix what it revokes is revoked in the whole cluster.
//!
//! | action | code |
//! | --- | --- |
//! | `Begin` | `Renewals::run`: a renewal is due, `sent` is read |
//! | `AtLeader`, `AtDeposed` | the keep-alive is answered by the newest leader, or by the deposed one |
//! | `Verify`, `Commit`, `Verified` | `keep_alive::verify`: the comparison is sent, committed, answered with a term |
//! | `Grant`, `Move`, `Moved` | `swap::renew`: the new lease, the guarded move of the record, its answer |
//! | `Revoke` | `revoke_in_background`: the old lease is given up |
//! | `GiveUp` | an attempt times out; what it has done stays done |

mod properties;

const TTL: u8 = 3;
const LEASES: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Proof {
    KeepAlive,
    /// The answer to a keep-alive is proof enough.
    KeepAliveTrusted,
    /// The record is compared, the terms are not.
    KeepAliveWithoutTerm,
    Swap,
    /// The new lease is proof, before the record is on it.
    SwapProvenByGrant,
    /// The deadline counts from the move.
    SwapCountsFromMove,
    /// The old lease is revoked before the record has left it.
    SwapRevokesFirst,
}

#[derive(Clone)]
struct EtcdProof {
    proof: Proof,
    /// Servers with the fix of #15247.
    fixed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    /// Until the newest leader lets it expire.
    left: u8,
    /// The same by the deposed leader's count, if it knows the lease.
    deposed: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Renewal {
    None,
    KeepAlive { age: u8 },
    Answered { age: u8, term: u8 },
    Verifying { age: u8, term: u8 },
    Committed { age: u8, term: u8, since: u8 },
    Granting { age: u8 },
    Granted { age: u8 },
    Moving { age: u8 },
    Moved { age: u8 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Of the newest leader; the deposed one has term 1.
    term: u8,
    leases: [Option<Lease>; LEASES],
    /// The lease that the session uses, by number; each is used once.
    present: u8,
    /// The lease that the record hangs on.
    record: Option<u8>,
    /// The claim's time that is left.
    left: u8,
    renewal: Renewal,
    /// Old leases that are being revoked.
    revoking: [bool; LEASES],
    /// What the run has shown.
    proven_after_failover: bool,
    fooled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Tick,
    Failover,
    Begin,
    AtLeader,
    AtDeposed,
    Verify,
    Commit,
    Verified { seen: u8 },
    Grant,
    Move,
    Moved,
    Prove,
    GiveUp,
    Revoke(u8),
    Expire(u8),
    DeposedRevokes(u8),
}

impl State {
    fn lose(&mut self, lease: u8) {
        self.leases[lease as usize] = None;
        self.record = self.record.filter(|on| *on != lease);
    }

    fn tick(&mut self) {
        for lease in self.leases.iter_mut().flatten() {
            lease.left = lease.left.saturating_sub(1);
            lease.deposed = lease.deposed.map(|left| left.saturating_sub(1));
        }
        self.left = self.left.saturating_sub(1);
        match &mut self.renewal {
            Renewal::None => {}
            Renewal::KeepAlive { age }
            | Renewal::Answered { age, .. }
            | Renewal::Verifying { age, .. }
            | Renewal::Committed { age, .. }
            | Renewal::Granting { age }
            | Renewal::Granted { age }
            | Renewal::Moving { age }
            | Renewal::Moved { age } => *age = (*age + 1).min(TTL),
        }
    }

    /// `SessionState::prove`: not after the deadline.
    fn prove(&mut self, age: u8) {
        if self.left > 0 {
            self.left = self.left.max(TTL - age);
            self.proven_after_failover |= self.term > 1;
        }
        self.renewal = Renewal::None;
    }
}

impl EtcdProof {
    fn swaps(&self) -> bool {
        !matches!(self.proof, Proof::KeepAlive | Proof::KeepAliveTrusted | Proof::KeepAliveWithoutTerm)
    }

    fn keep_alive(&self, state: &mut State, action: Action) -> Option<()> {
        state.renewal = match (action, state.renewal) {
            (Action::AtLeader, Renewal::KeepAlive { age }) => match &mut state.leases[0] {
                Some(lease) => {
                    lease.left = TTL;
                    Renewal::Answered { age, term: state.term }
                }
                None => {
                    state.left = 0;
                    Renewal::None
                }
            },
            (Action::AtDeposed, Renewal::KeepAlive { age }) => {
                *state.leases[0].as_mut()?.deposed.as_mut()? = TTL;
                state.fooled = true;
                Renewal::Answered { age, term: 1 }
            }
            (Action::Prove, Renewal::Answered { age, .. }) if self.proof == Proof::KeepAliveTrusted => {
                state.prove(age);
                return Some(());
            }
            (Action::Verify, Renewal::Answered { age, term }) => Renewal::Verifying { age, term },
            // Only the newest leader commits; the record is compared when the entry is applied.
            (Action::Commit, Renewal::Verifying { age, term }) => {
                if state.record.is_none() {
                    state.left = 0;
                }
                Renewal::Committed { age, term, since: state.term }
            }
            // The member that was asked knows the term of the commit, or a later one by now.
            (Action::Verified { seen }, Renewal::Committed { age, term, since }) => {
                if !(since..=state.term).contains(&seen) {
                    return None;
                }
                if seen == term || self.proof == Proof::KeepAliveWithoutTerm {
                    state.prove(age);
                    return Some(());
                }
                Renewal::None
            }
            _ => return None,
        };
        Some(())
    }

    fn swap(&self, state: &mut State, action: Action) -> Option<()> {
        state.renewal = match (action, state.renewal) {
            (Action::Grant, Renewal::Granting { age }) => {
                let next = state.present + 1;
                *state.leases.get_mut(next as usize)? = Some(Lease { left: TTL, deposed: None });
                state.revoking[state.present as usize] = self.proof == Proof::SwapRevokesFirst;
                state.present = next;
                Renewal::Granted { age }
            }
            (Action::Prove, Renewal::Granted { age }) if self.proof == Proof::SwapProvenByGrant => {
                state.prove(age);
                return Some(());
            }
            (Action::Move, Renewal::Granted { age }) if self.proof == Proof::SwapCountsFromMove => {
                let _ = age;
                Renewal::Moving { age: 0 }
            }
            (Action::Move, Renewal::Granted { age }) => Renewal::Moving { age },
            (Action::Moved, Renewal::Moving { age }) => {
                // The move fails if its lease has gone, and finds out if the record has.
                state.leases[state.present as usize]?;
                match &mut state.record {
                    Some(on) => *on = state.present,
                    None => state.left = 0,
                }
                Renewal::Moved { age }
            }
            (Action::Prove, Renewal::Moved { age }) => {
                (0..state.present as usize).for_each(|old| state.revoking[old] = true);
                state.prove(age);
                return Some(());
            }
            _ => return None,
        };
        Some(())
    }

    /// What the servers do by themselves.
    fn outside(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => state.tick(),
            Action::Failover if state.term == 1 => {
                state.term = 2;
                for lease in state.leases.iter_mut().flatten() {
                    *lease = Lease { left: TTL, deposed: Some(lease.left) };
                }
            }
            Action::Revoke(lease) if state.revoking[lease as usize] => {
                state.revoking[lease as usize] = false;
                state.lose(lease);
            }
            Action::Expire(lease) if state.leases[lease as usize]?.left == 0 => state.lose(lease),
            Action::DeposedRevokes(lease) if state.leases[lease as usize]?.deposed? == 0 && !self.fixed => {
                state.lose(lease);
            }
            _ => return None,
        }
        Some(())
    }
}
