//! The queue of the etcd backend: `backend-etcd/src/{candidacy,waiting,removal,session}.rs`, `proof/swap.rs` (moves).
//!
//! Three candidacies in one of two scopes. *Together* has all that can happen in one history: process 0 campaigns twice
//! beside another; two sessions are paused past their deadlines and expire, an administrator revokes one, a request may
//! be answered too late and be obeyed at any later time (a failover), and a session's lease is replaced. *Apart* is the
//! same queue of three processes, without what goes on inside a session: there a third party differs from a second one
//! only by its place in the queue. In both, every candidacy may be dropped at any step, and members may lag: a look shows
//! any revision that is not older than asked for. (The short cut for a predecessor of the same process is left out.)
//!
//! | action | code |
//! | --- | --- |
//! | `Campaign`, `Create`, `Joined` | `Join::join`, `requests::create`, `Join::settle` |
//! | `TimesOut`, `GivesUp` | the answer is lost: sent again; or given up, which poisons the lease and removes the key |
//! | `SeesEnd`, `Look` | `waiting::Departure::judge`, `waiting::look` |
//! | `Cancel`, `Resign`, `Delete` | the drop of `Uncancelled` or of `Candidacy`; `Removal` |
//! | `Swap`, `Move`, `Prove`, `OldLeaseEnds` | `swap::renew`, `move_batch`; the old lease is revoked, or expires |
//! | `Lapse`, `Expire`, `AdminRevokes` | the deadline passes here; the lease ends there |
//! | `Notices` | `SessionState::ended`, `Record::gone`: the loss is known here |

mod properties;
mod recipe;
mod state;

/// Candidacies: 0 and 3 are of process 0.
const N: usize = 4;
const LAPSES: u8 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// Whoever is told that the first has gone leads, record or no record.
    NoRecheck,
    /// Whoever is told that its predecessor has gone leads.
    TrustsPredecessor,
    /// A dropped campaign forgets the request that is on its way.
    CancelLeaves,
    /// After a request with an unknown outcome the lease stays.
    NoPoison,
    /// A record that was created on the old lease is not moved.
    NoSettle,
    /// A move is a put without a comparison.
    UnguardedMove,
    /// The key names process and lease, and no more: a removal that comes late hits the next candidacy.
    KeyUsedAgain,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Apart,
    Together,
}

#[derive(Clone)]
struct EtcdQueue(Variant, Scope);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// `kept`: somebody waits for it. `uncertain`: an earlier attempt may still be obeyed.
    Joining {
        kept: bool,
        uncertain: bool,
    },
    Waiting {
        ahead: u8,
        first: bool,
    },
    Looking {
        not_before: u8,
    },
    Leading,
    Leaving,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    None,
    Created { ahead: Option<u8>, first: bool },
    Existed,
    LeaseGone,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Record {
    /// Revisions; 0 is never.
    created: u8,
    ended: u8,
    lease: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Swapping {
    NotYet,
    Moving,
    Proven,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    revision: u8,
    phases: [Phase; N],
    records: [Record; N],
    /// Creations on their way, by the lease that they name: the attempt that is waited for, and one given up.
    asked: [Option<u8>; N],
    late: [Option<u8>; N],
    answers: [Answer; N],
    /// Deletions on their way.
    deletes: [u8; N],
    /// Moves on their way, by the revision that they compare.
    moves: [Option<u8>; N],
    /// By session; the second candidacy of process 0 has another one if the first has lapsed.
    session: [u8; N],
    live: [bool; N],
    exists: [bool; N],
    swap: Swapping,
    old_lease: bool,
    poisoned: bool,
    lapses: u8,
    revoked: bool,
    retried: bool,
    highest: u8,
    token_reused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Campaign(usize),
    Create(usize),
    CreateLate(usize),
    Joined(usize),
    TimesOut(usize),
    GivesUp(usize),
    SeesEnd(usize),
    Look(usize, u8),
    Cancel(usize),
    Resign(usize),
    Delete(usize),
    DeleteTimesOut(usize),
    Notices(usize),
    Move(usize),
    Swap,
    Prove,
    OldLeaseEnds,
    Lapse(usize),
    Expire(usize),
    AdminRevokes(usize),
}
