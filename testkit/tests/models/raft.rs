//! The queue of the Raft backend: `backend-raft/src/state_machine/state.rs`, `candidacy.rs`, `registry.rs`.
//!
//! Three candidacies in one of two scopes. *Apart*: of three sessions, of which two expire, in one entry or in two.
//! *Together*: session 0 campaigns twice beside another. In both, requests are repeated and may be applied in any
//! order and twice, an administrator removes a waiting candidacy, every candidacy may be dropped at any step, and the
//! news of a grant may come late. That there is one log is assumed; a change of the Raft leader is a change of term.
//!
//! | action | code |
//! | --- | --- |
//! | `Campaign`, `Apply` | `Candidacy::join`; `State::campaign` |
//! | `Repeat`, `RepeatWithdrawal` | `Group::call` tries again; the first one may be applied as well |
//! | `Granted`, `Gone` | `Registry::granted`, `deposed`: from an answer or from the session's watch |
//! | `Cancel`, `Resign`, `Withdraw` | the drop of `Candidacy`; `Leadership::resign`; `State::withdraw` |
//! | `Lapse`, `Expire`, `ExpireBoth`, `Notices` | the deadline passes here; `State::end_sessions`; it is known here |
//! | `Remove` | `State::remove` |
//! | `Elect` | the term grows |

mod properties;
mod recipe;

/// Candidacies: 0 and 3 are of session 0.
const N: usize = 4;
const SESSION: [usize; N] = [0, 1, 2, 0];
const LAPSES: u8 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// The token is the term.
    TermAsToken,
    /// When several sessions end in one entry, each one's seats are granted anew before the next one ends.
    GrantsInBetween,
    /// A withdrawal of what is not in the queue leaves no trace.
    NoBurial,
    /// A withdrawal names the session and not the candidacy.
    WithdrawsBySession,
    /// A dropped campaign forgets the request that is on its way.
    CancelLeaves,
    /// A waiter leads when the one that it saw ahead is gone.
    TrustsPredecessor,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Apart,
    Together,
}

#[derive(Clone)]
struct RaftQueue(Variant, Scope);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Waiting,
    Leading,
    Leaving,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Of the log.
    index: u8,
    term: u8,
    phases: [Phase; N],
    /// The replicated state: the index of the entry that queued it, its token; 0 is none.
    seats: [u8; N],
    tokens: [u8; N],
    buried: [bool; N],
    exists: [bool; 3],
    live: [bool; 3],
    /// Requests on their way.
    campaigns: [u8; N],
    withdrawals: [u8; N],
    /// The news of a grant, or of the end of the one ahead, that has not been heard of.
    news: [u8; N],
    lapses: u8,
    repeated: bool,
    removed: bool,
    highest: u8,
    token_reused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Campaign(usize),
    Apply(usize),
    Repeat(usize),
    Granted(usize),
    Gone(usize),
    Cancel(usize),
    Resign(usize),
    Withdraw(usize),
    RepeatWithdrawal(usize),
    Notices(usize),
    Lapse(usize),
    Expire(usize),
    ExpireBoth(usize, usize),
    Remove(usize),
    Elect,
}

impl State {
    fn stands(&self, c: usize) -> bool {
        self.seats[c] != 0
    }

    fn queue(&self) -> impl Iterator<Item = usize> + '_ {
        (0..N).filter(|c| self.stands(*c))
    }

    fn head(&self) -> Option<usize> {
        self.queue().min_by_key(|c| self.seats[*c])
    }

    fn claims(&self, c: usize) -> bool {
        self.phases[c] == Phase::Leading && self.live[SESSION[c]]
    }

    fn is_in(&self, c: usize) -> bool {
        matches!(self.phases[c], Phase::Waiting | Phase::Leading)
    }

    fn leave(&mut self, c: usize) {
        self.phases[c] = Phase::Leaving;
        self.withdrawals[c] += 1;
    }

    fn quiet(&self) -> bool {
        let still = |c: usize| {
            self.phases[c] != Phase::Leaving
                && self.campaigns[c] == 0
                && self.withdrawals[c] == 0
                && self.news[c] == 0
        };
        (0..N).all(still) && self.live == self.exists
    }

    /// Numbers the log without gaps: only the order counts.
    fn tidy(mut self) -> Self {
        let used =
            self.seats.iter().chain(&self.tokens).chain(&self.news).chain([&self.index, &self.highest]);
        let used = used.fold(1u32, |used, index| used | 1 << index);
        let rank = |index: &mut u8| *index = (used & ((1 << *index) - 1)).count_ones() as u8;
        let numbers = self.seats.iter_mut().chain(&mut self.tokens).chain(&mut self.news);
        numbers.chain([&mut self.index, &mut self.highest]).for_each(rank);
        self
    }
}
