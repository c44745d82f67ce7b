//! The queue of the etcd backend: `backend-etcd/src/{candidacy,waiting,removal,session}.rs`, `proof/swap.rs` (moves).
//!
//! Three candidacies in one of two scopes. *Apart*: of three processes; two sessions expire, and an administrator
//! revokes one of a waiting candidate. *Together*: process 0 campaigns twice beside another; a request of its may be
//! answered too late and be obeyed at any later time, and its session's lease is replaced. In both, every candidacy
//! may be dropped at any step, and members may lag: a look shows any revision that is not older than asked for. (The
//! short cut for a predecessor of the same process is left out.)
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

use stateright::{Model, Property};

use crate::check::{breaks, holds};

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

impl State {
    fn present_lease(&self, c: usize) -> u8 {
        u8::from(self.session[c] == 0 && self.swap != Swapping::NotYet)
    }

    fn lease_stands(&self, c: usize, lease: u8) -> bool {
        self.exists[self.session[c] as usize] && (lease == 1 || self.session[c] != 0 || self.old_lease)
    }

    fn existed(&self, c: usize, revision: u8) -> bool {
        let Record { created, ended, .. } = self.records[c];
        created != 0 && created <= revision && (ended == 0 || ended > revision)
    }

    fn stands(&self, c: usize) -> bool {
        self.existed(c, self.revision)
    }

    /// The predecessor at a revision, and how many were ahead.
    fn ahead(&self, c: usize, revision: u8) -> (Option<u8>, usize) {
        let own = self.records[c].created;
        let ahead =
            (0..N).filter(|other| self.existed(*other, revision) && self.records[*other].created < own);
        let nearest = ahead.clone().max_by_key(|other| self.records[*other].created);
        (nearest.map(|c| c as u8), ahead.count())
    }

    fn end(&mut self, gone: impl Fn(&Self, usize) -> bool) {
        // One revision for all that hangs on a lease.
        let ended: Vec<usize> = (0..N).filter(|c| self.stands(*c) && gone(self, *c)).collect();
        if !ended.is_empty() {
            self.revision += 1;
            ended.iter().for_each(|c| self.records[*c].ended = self.revision);
        }
    }

    fn claims(&self, c: usize) -> bool {
        self.phases[c] == Phase::Leading && self.live[self.session[c] as usize]
    }

    fn leave(&mut self, c: usize) {
        self.phases[c] = Phase::Leaving;
        self.deletes[c] += 1;
    }

    /// `Candidacy::win`: a leadership, unless the session has ended.
    fn win(&mut self, c: usize) {
        if !self.live[self.session[c] as usize] {
            return self.leave(c);
        }
        self.phases[c] = Phase::Leading;
        let token = self.records[c].created;
        self.token_reused |= token <= self.highest;
        self.highest = self.highest.max(token);
    }

    fn is_in(&self, c: usize) -> bool {
        matches!(self.phases[c], Phase::Waiting { .. } | Phase::Looking { .. } | Phase::Leading)
    }

    /// Nothing of it is on its way.
    fn still(&self, c: usize) -> bool {
        let sent = self.asked[c].is_some() || self.late[c].is_some() || self.answers[c] != Answer::None;
        !sent && self.deletes[c] == 0 && self.moves[c].is_none()
    }

    fn quiet(&self) -> bool {
        let rests = |c: usize| self.is_in(c) || matches!(self.phases[c], Phase::Idle | Phase::Over);
        (0..N).all(|c| self.still(c) && rests(c))
            && self.live == self.exists
            && !self.poisoned
            && (self.swap == Swapping::NotYet || !self.old_lease)
    }
}

impl State {
    /// Forgets what no later step can see, and numbers the revisions without gaps, so that histories which make no
    /// difference lead to one state.
    fn tidy(mut self) -> Self {
        let ends = |ahead: u8| match self.records[ahead as usize].ended {
            0 => self.revision,
            ended => ended,
        };
        let looks_from = |c: usize| match (self.phases[c], self.answers[c]) {
            (Phase::Waiting { ahead, .. }, _) | (_, Answer::Created { ahead: Some(ahead), .. }) => {
                ends(ahead)
            }
            (Phase::Looking { not_before }, _) => not_before,
            (_, Answer::Existed) => self.records[c].created,
            _ => self.revision,
        };
        let seen_from = (0..N).map(looks_from).min().unwrap_or_default();
        let awaited = |c: usize| {
            (0..N).any(|other| match (self.phases[other], self.answers[other]) {
                (Phase::Waiting { ahead, .. }, _) | (_, Answer::Created { ahead: Some(ahead), .. }) => {
                    ahead as usize == c
                }
                _ => false,
            })
        };
        let forgotten = [0, 1, 2, 3].map(|c| {
            let Record { created, ended, .. } = self.records[c];
            let over = self.phases[c] == Phase::Over && self.still(c) && !awaited(c);
            over && created != 0 && ended != 0 && ended <= seen_from
        });
        for c in 0..N {
            if forgotten[c] {
                self.records[c] = Record::default();
            }
        }
        let mut used = 1u32 | 1 << self.revision | 1 << self.highest;
        for c in 0..N {
            used |= 1 << self.records[c].created | 1 << self.records[c].ended;
            used |= 1 << self.moves[c].unwrap_or_default();
            if let Phase::Looking { not_before } = self.phases[c] {
                used |= 1 << not_before;
            }
        }
        let rank = |revision: &mut u8| *revision = (used & ((1 << *revision) - 1)).count_ones() as u8;
        rank(&mut self.revision);
        rank(&mut self.highest);
        for c in 0..N {
            rank(&mut self.records[c].created);
            rank(&mut self.records[c].ended);
            self.moves[c].iter_mut().for_each(rank);
            if let Phase::Looking { not_before } = &mut self.phases[c] {
                rank(not_before);
            }
        }
        self
    }
}

impl EtcdQueue {
    fn create(state: &mut State, c: usize, lease: u8) -> Answer {
        if !state.lease_stands(c, lease) {
            return Answer::LeaseGone;
        }
        if state.stands(c) {
            return Answer::Existed;
        }
        state.revision += 1;
        state.records[c] = Record { created: state.revision, ended: 0, lease };
        let (ahead, count) = state.ahead(c, state.revision);
        Answer::Created { ahead, first: count == 1 }
    }

    fn joined(&self, state: &mut State, c: usize) -> Option<()> {
        let Phase::Joining { kept, uncertain } = state.phases[c] else { return None };
        let answer = std::mem::replace(&mut state.answers[c], Answer::None);
        let (ahead, first) = match answer {
            Answer::None => return None,
            Answer::LeaseGone if state.present_lease(c) == 1 && state.exists[state.session[c] as usize] => {
                state.asked[c] = Some(1);
                return Some(());
            }
            Answer::LeaseGone => {
                state.live[state.session[c] as usize] = false;
                state.phases[c] = Phase::Over;
                return Some(());
            }
            Answer::Created { ahead, first } => (ahead, first),
            Answer::Existed => (None, false),
        };
        state.poisoned |= uncertain && self.0 != Variant::NoPoison;
        if state.records[c].lease != state.present_lease(c) && self.0 != Variant::NoSettle {
            if !state.stands(c) {
                state.phases[c] = Phase::Over;
                return Some(());
            }
            state.records[c].lease = 1;
        }
        match (ahead, answer) {
            _ if !kept => state.leave(c),
            (_, Answer::Existed) => state.phases[c] = Phase::Looking { not_before: state.records[c].created },
            (None, _) => state.win(c),
            (Some(ahead), _) => state.phases[c] = Phase::Waiting { ahead, first },
        }
        Some(())
    }

    fn waits(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::SeesEnd(c) => {
                let Phase::Waiting { ahead, first } = state.phases[c] else { return None };
                let (departed, own) = (state.records[ahead as usize].ended, state.records[c].ended);
                match self.0 {
                    _ if departed == 0 => return None,
                    Variant::TrustsPredecessor => state.win(c),
                    Variant::NoRecheck if first => state.win(c),
                    _ if !first => state.phases[c] = Phase::Looking { not_before: departed },
                    _ if own != 0 && own <= departed => state.phases[c] = Phase::Over,
                    _ => state.win(c),
                }
            }
            Action::Look(c, revision) => {
                let Phase::Looking { not_before } = state.phases[c] else { return None };
                if revision < not_before || revision > state.revision {
                    return None;
                }
                match state.ahead(c, revision).0 {
                    _ if !state.existed(c, revision) => state.phases[c] = Phase::Over,
                    None => state.win(c),
                    Some(ahead) => state.phases[c] = Phase::Waiting { ahead, first: false },
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn joins(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Campaign(c) => {
                let again = c != 3 || state.phases[0] == Phase::Over;
                // In the scope, and, as processes are alike, in one order.
                let in_turn = match (self.1, c) {
                    (Scope::Apart, 1 | 2) => state.phases[c - 1] != Phase::Idle,
                    (Scope::Apart, other) => other == 0,
                    (Scope::Together, other) => other != 2,
                };
                if state.phases[c] != Phase::Idle || !again || !in_turn {
                    return None;
                }
                if c == 3 && state.live[0] {
                    state.session[3] = 0;
                }
                if !state.live[state.session[c] as usize] {
                    return None;
                }
                state.phases[c] = Phase::Joining { kept: true, uncertain: false };
                state.asked[c] = Some(state.present_lease(c));
            }
            Action::Create(c) => {
                let lease = state.asked[c].take()?;
                state.answers[c] = Self::create(state, c, lease);
            }
            Action::CreateLate(c) => {
                let lease = state.late[c].take()?;
                Self::create(state, c, lease);
            }
            Action::Joined(c) => self.joined(state, c)?,
            Action::TimesOut(c) => {
                let Phase::Joining { kept, .. } = state.phases[c] else { return None };
                if self.1 == Scope::Apart
                    || state.session[c] != 0
                    || state.retried
                    || state.answers[c] == Answer::LeaseGone
                {
                    return None;
                }
                state.retried = true;
                state.late[c] = state.asked[c].take();
                state.answers[c] = Answer::None;
                state.phases[c] = Phase::Joining { kept, uncertain: true };
                state.asked[c] = Some(state.present_lease(c));
            }
            Action::GivesUp(c) => {
                let Phase::Joining { uncertain: true, .. } = state.phases[c] else { return None };
                state.answers[c] = Answer::None;
                // One of the two was lost for good, or has been obeyed.
                state.late[c] = state.late[c].or(state.asked[c]);
                state.asked[c] = None;
                state.poisoned |= self.0 != Variant::NoPoison;
                state.leave(c);
            }
            _ => return None,
        }
        Some(())
    }

    fn leaves(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Cancel(c) => match state.phases[c] {
                Phase::Joining { kept: true, .. } if self.0 == Variant::CancelLeaves => {
                    state.late[c] = state.asked[c].take();
                    state.answers[c] = Answer::None;
                    state.phases[c] = Phase::Over;
                }
                Phase::Joining { kept: true, uncertain } => {
                    state.phases[c] = Phase::Joining { kept: false, uncertain };
                }
                Phase::Waiting { .. } | Phase::Looking { .. } => state.leave(c),
                _ => return None,
            },
            Action::Resign(c) if state.phases[c] == Phase::Leading => state.leave(c),
            Action::Delete(c) if state.deletes[c] > 0 => {
                state.deletes[c] -= 1;
                let hit = if self.0 == Variant::KeyUsedAgain && c == 0 && state.stands(3) { 3 } else { c };
                state.end(|_, other| other == hit);
                if state.phases[c] == Phase::Leaving {
                    state.phases[c] = Phase::Over;
                }
            }
            Action::DeleteTimesOut(c) => {
                if self.1 == Scope::Apart
                    || state.session[c] != 0
                    || state.retried
                    || state.phases[c] != Phase::Leaving
                {
                    return None;
                }
                state.retried = true;
                state.deletes[c] += 1;
            }
            Action::Notices(c) => {
                let lost = !state.live[state.session[c] as usize];
                match state.phases[c] {
                    Phase::Waiting { .. } | Phase::Looking { .. } | Phase::Leading if lost => state.leave(c),
                    Phase::Waiting { .. } | Phase::Looking { .. } | Phase::Leading if !state.stands(c) => {
                        state.phases[c] = Phase::Over;
                    }
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The session: its leases, its deadline, its end.
    fn session(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Swap if self.1 == Scope::Together && state.swap == Swapping::NotYet => {
                if !state.live[0] || !state.exists[0] {
                    return None;
                }
                state.swap = Swapping::Moving;
                state.poisoned = false;
                for c in [0, 3] {
                    let moved = state.session[c] == 0 && state.is_in(c);
                    state.moves[c] = moved.then_some(state.records[c].created);
                }
            }
            Action::Move(c) => {
                let compared = state.moves[c].take()?;
                let same = state.stands(c) && state.records[c].created == compared;
                if state.exists[0] && same {
                    state.records[c].lease = 1;
                } else if state.exists[0] && self.0 == Variant::UnguardedMove {
                    state.revision += 1;
                    state.records[c] = Record { created: state.revision, ended: 0, lease: 1 };
                }
            }
            Action::Prove if state.swap == Swapping::Moving && state.moves == [None; N] => {
                state.swap = Swapping::Proven;
            }
            // By itself, if it is not revoked: either way.
            Action::OldLeaseEnds if state.swap == Swapping::Proven && state.old_lease => {
                state.old_lease = false;
                state.end(|state, c| state.session[c] == 0 && state.records[c].lease == 0);
            }
            Action::Lapse(s) if state.live[s] && state.exists[s] && state.lapses < LAPSES => {
                let uses = |c: usize| state.session[c] as usize == s && state.phases[c] != Phase::Idle;
                if !(0..N).any(|c| uses(c) && (c == 0 || state.phases[c] != Phase::Over)) {
                    return None;
                }
                state.live[s] = false;
                state.lapses += 1;
            }
            // What an administrator has ended is noticed by the next renewal.
            Action::Lapse(s) if state.live[s] && !state.exists[s] => state.live[s] = false,
            Action::Expire(s) if state.exists[s] && !state.live[s] => {
                state.exists[s] = false;
                state.poisoned &= s != 0;
                state.end(|state, c| state.session[c] as usize == s);
                state.old_lease &= s != 0;
            }
            Action::AdminRevokes(c) => {
                let waits = matches!(state.phases[c], Phase::Waiting { .. });
                let alike = self.1 == Scope::Together || c == 3;
                if alike
                    || state.revoked
                    || !waits
                    || state.ahead(c, state.revision).1 == 0
                    || !state.stands(c)
                {
                    return None;
                }
                state.revoked = true;
                state.exists[c] = false;
                state.poisoned &= c != 0;
                state.old_lease &= c != 0;
                state.end(|state, other| state.session[other] as usize == c);
            }
            _ => return None,
        }
        Some(())
    }
}
impl Model for EtcdQueue {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            revision: 0,
            phases: [Phase::Idle; N],
            records: [Record::default(); N],
            asked: [None; N],
            late: [None; N],
            answers: [Answer::None; N],
            deletes: [0; N],
            moves: [None; N],
            session: [0, 1, 2, 3],
            live: [true; N],
            exists: [true; N],
            swap: Swapping::NotYet,
            old_lease: true,
            poisoned: false,
            lapses: 0,
            revoked: false,
            retried: false,
            highest: 0,
            token_reused: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.extend([Swap, Prove, OldLeaseEnds]);
        for c in 0..N {
            match state.phases[c] {
                Phase::Idle => actions.push(Campaign(c)),
                Phase::Joining { .. } => {
                    actions.extend([Create(c), Joined(c), TimesOut(c), GivesUp(c), Cancel(c)])
                }
                Phase::Waiting { .. } => actions.extend([SeesEnd(c), Cancel(c), Notices(c), AdminRevokes(c)]),
                Phase::Looking { .. } => {
                    actions.extend([Cancel(c), Notices(c)]);
                    actions.extend((0..=state.revision).map(|revision| Look(c, revision)));
                }
                Phase::Leading => actions.extend([Resign(c), Notices(c)]),
                Phase::Leaving => actions.push(DeleteTimesOut(c)),
                Phase::Over => {}
            }
            actions.extend([CreateLate(c), Delete(c), Move(c), Lapse(c), Expire(c)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Campaign(_)
            | Action::Create(_)
            | Action::CreateLate(_)
            | Action::Joined(_)
            | Action::TimesOut(_)
            | Action::GivesUp(_) => self.joins(&mut state, action)?,
            Action::SeesEnd(_) | Action::Look(..) => self.waits(&mut state, action)?,
            Action::Cancel(_)
            | Action::Resign(_)
            | Action::Delete(_)
            | Action::DeleteTimesOut(_)
            | Action::Notices(_) => self.leaves(&mut state, action)?,
            _ => self.session(&mut state, action)?,
        }
        Some(state.tidy())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(S1, |_: &Self, state: &State| (0..N).filter(|c| state.claims(*c)).count() <= 1),
            Property::always("S2: tokens increase", |_: &Self, state: &State| !state.token_reused),
            Property::always(L3, |_: &Self, state: &State| {
                !state.quiet() || (0..N).all(|c| !state.stands(c) || state.is_in(c))
            }),
            Property::always(L5, |_: &Self, state: &State| {
                let first = |c| state.stands(c) && state.ahead(c, state.revision).1 == 0;
                (0..N).all(|c| !state.claims(c) || first(c))
            }),
            Property::sometimes(
                "a leader sleeps past its deadline while another leads",
                |_: &Self, state: &State| (0..N).filter(|c| state.phases[*c] == Phase::Leading).count() == 2,
            ),
        ];
        match self.1 {
            Scope::Apart => {
                properties.push(Property::sometimes(
                    "a claim after two expiries",
                    |_: &Self, state: &State| {
                        state.lapses == LAPSES
                            && state.live == state.exists
                            && (0..N).any(|c| state.claims(c))
                    },
                ));
            }
            Scope::Together => properties.extend([
                Property::sometimes("a request is obeyed late, and undone", |_: &Self, state: &State| {
                    state.quiet() && state.retried && state.swap == Swapping::Proven && state.exists[0]
                }),
                Property::sometimes("the same process leads again", |_: &Self, state: &State| {
                    state.claims(3) && state.session[3] == 0
                }),
            ]),
        }
        properties
    }
}

const S1: &str = "S1: at most one valid claim";
const L3: &str = "L3: nothing is left behind once all is quiet";
const L5: &str = "L5: a valid claim stands on a record, the first one";

#[test]
fn the_queue_holds() {
    holds("etcd queue, apart", EtcdQueue(Variant::Recipe, Scope::Apart), 10_000);
    holds("etcd queue, together", EtcdQueue(Variant::Recipe, Scope::Together), 10_000);
}

#[test]
fn naive_queues_are_caught() {
    let apart = |name, variant, property| breaks(name, EtcdQueue(variant, Scope::Apart), property);
    apart("etcd, no look at the own record after the wait", Variant::NoRecheck, L5);
    apart("etcd, the predecessor's end taken for election", Variant::TrustsPredecessor, S1);
    apart("etcd, a request left behind on cancel", Variant::CancelLeaves, L3);
    let together = |name, variant, property| breaks(name, EtcdQueue(variant, Scope::Together), property);
    together("etcd, no new lease after a lost answer", Variant::NoPoison, L3);
    together("etcd, joined on the old lease", Variant::NoSettle, L5);
    together("etcd, unguarded move", Variant::UnguardedMove, L3);
    together("etcd, a key that is used again", Variant::KeyUsedAgain, L5);
}
