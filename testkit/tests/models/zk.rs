//! The queue of the ZooKeeper backend: `backend-zk/src/{candidacy,entry,record}.rs`.
//!
//! Three processes with a session and a candidacy each. A connection is lost while a record is being created,
//! two sessions expire, an administrator expires one of a waiting candidate and removes the empty parent once, every
//! candidacy may be dropped at any step, and followers may lag: a list shows any state that is not older than what
//! the session has seen.
//!
//! | action | code |
//! | --- | --- |
//! | `Campaign`, `Create`, `Created` | `Entry::create`: a sequential node of a unique prefix |
//! | `Disconnect`, `Late`, `Dropped` | the connection is lost: what was on it is carried out, or is not |
//! | `Find` | `entry::find`: behind a `sync`, so that nothing of the old connection comes later |
//! | `List`, `SeesEnd` | `record::standing`; the watch on the predecessor |
//! | `Cancel`, `Resign`, `Delete` | the drop of `Entry`, `entry::remove`, `delete_again` |
//! | `Lapse`, `Expire`, `AdminExpires`, `Notices` | the deadline passes here; the session ends there; it is known here |
//! | `RemoveParent` | the sequence numbers of the election begin anew |

use stateright::{Model, Property};

use crate::check::{breaks, holds};

const N: usize = 3;
const LAPSES: u8 = 2;
const DISCONNECTS: u8 = 1;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// Whoever is told that its predecessor has gone leads, record or no record.
    NoRecheck,
    /// After a lost reply a second node is made.
    NoFind,
    /// The list that looks for the first node is not behind a `sync`.
    FindWithoutSync,
    /// A dropped campaign forgets the request that is on its way.
    CancelLeaves,
    /// The token is the sequence number.
    SequenceAsToken,
    /// A resign removes whoever is first.
    RemovesTheFirst,
}

#[derive(Clone)]
struct ZkQueue(Variant);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Creating { kept: bool },
    Unknown { kept: bool },
    Listing,
    Waiting { ahead: u8 },
    Leading,
    Leaving,
    Over,
}

/// A node; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    created: u8,
    ended: u8,
    sequence: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    revision: u8,
    sequence: u8,
    phases: [Phase; N],
    /// Two per candidacy, should one make two.
    nodes: [[Node; 2]; N],
    /// Which of them it takes for its own.
    own: [u8; N],
    sent: [bool; N],
    answered: [bool; N],
    /// A request on a connection that was lost.
    late: [bool; N],
    /// What the session has seen.
    seen: [u8; N],
    live: [bool; N],
    exists: [bool; N],
    lapses: u8,
    disconnects: u8,
    expired_by_admin: bool,
    parent_removed: bool,
    highest: u8,
    token_reused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Campaign(usize),
    Create(usize),
    Created(usize),
    Disconnect(usize),
    Late(usize),
    Dropped(usize),
    Find(usize),
    List(usize, u8),
    SeesEnd(usize),
    Cancel(usize),
    Resign(usize),
    Delete(usize),
    Notices(usize),
    Lapse(usize),
    Expire(usize),
    AdminExpires(usize),
    RemoveParent,
}

impl Node {
    fn existed(&self, revision: u8) -> bool {
        self.created != 0 && self.created <= revision && (self.ended == 0 || self.ended > revision)
    }
}

impl State {
    fn node(&self, c: usize) -> Node {
        self.nodes[c][self.own[c] as usize]
    }

    fn stands(&self, c: usize) -> bool {
        self.node(c).existed(self.revision)
    }

    /// The candidate ahead at a revision: of two nodes of one candidacy both count.
    fn ahead(&self, c: usize, revision: u8) -> Option<u8> {
        let own = self.node(c).created;
        let nodes = (0..N).flat_map(|other| self.nodes[other].map(|node| (node.created, node, other as u8)));
        let ahead = nodes.filter(|(created, node, _)| node.existed(revision) && *created < own);
        ahead.max_by_key(|(created, ..)| *created).map(|(.., other)| other)
    }

    fn create(&mut self, c: usize) -> bool {
        let Some(slot) = self.nodes[c].iter().position(|node| node.created == 0) else { return false };
        if !self.exists[c] {
            return false;
        }
        self.revision += 1;
        self.sequence += 1;
        self.nodes[c][slot] = Node { created: self.revision, ended: 0, sequence: self.sequence };
        self.own[c] = slot as u8;
        true
    }

    fn end(&mut self, c: usize, slots: impl Iterator<Item = usize>) {
        let revision = self.revision;
        let standing: Vec<usize> = slots.filter(|slot| self.nodes[c][*slot].existed(revision)).collect();
        if !standing.is_empty() {
            self.revision += 1;
            standing.iter().for_each(|slot| self.nodes[c][*slot].ended = self.revision);
        }
    }

    fn claims(&self, c: usize) -> bool {
        self.phases[c] == Phase::Leading && self.live[c]
    }

    fn win(&mut self, c: usize, token: u8) {
        if !self.live[c] {
            self.phases[c] = Phase::Leaving;
            return;
        }
        self.phases[c] = Phase::Leading;
        self.token_reused |= token <= self.highest;
        self.highest = self.highest.max(token);
    }

    fn is_in(&self, c: usize) -> bool {
        matches!(self.phases[c], Phase::Listing | Phase::Waiting { .. } | Phase::Leading)
    }

    fn quiet(&self) -> bool {
        let still = |c: usize| {
            let rests = self.is_in(c) || matches!(self.phases[c], Phase::Idle | Phase::Over);
            rests && !self.sent[c] && !self.answered[c] && !self.late[c]
        };
        (0..N).all(still) && self.live == self.exists
    }
}

impl State {
    /// Forgets what no later step can see, and numbers the revisions without gaps, so that histories which make no
    /// difference lead to one state.
    fn tidy(mut self) -> Self {
        let last_end =
            |c: u8| self.nodes[c as usize].map(|node| node.ended).into_iter().max().filter(|end| *end > 0);
        let lists_from = |c: usize| match self.phases[c] {
            Phase::Listing => self.seen[c],
            Phase::Creating { .. } if self.answered[c] => self.node(c).created,
            Phase::Waiting { ahead } => last_end(ahead).unwrap_or(self.revision),
            _ => self.revision,
        };
        let seen_from = (0..N).map(lists_from).min().unwrap_or_default();
        let forgotten = [0, 1, 2].map(|c| {
            let awaited = self.phases.contains(&Phase::Waiting { ahead: c as u8 });
            let over = self.phases[c] == Phase::Over && !self.late[c] && !awaited;
            let seen = |node: &Node| node.created != 0 && (node.ended == 0 || node.ended > seen_from);
            over && !self.nodes[c].iter().any(seen)
        });
        for c in (0..N).filter(|c| forgotten[*c]) {
            self.nodes[c] = [Node::default(); 2];
            self.own[c] = 0;
        }
        for c in 0..N {
            if self.phases[c] != Phase::Listing {
                self.seen[c] = 0;
            }
        }
        let nodes = self.nodes.as_flattened().iter().flat_map(|node| [node.created, node.ended]);
        let used = nodes.chain(self.seen).chain([self.revision, self.highest]);
        let used = used.fold(1u32, |used, revision| used | 1 << revision);
        let rank = |revision: &mut u8| *revision = (used & ((1 << *revision) - 1)).count_ones() as u8;
        let nodes = self.nodes.as_flattened_mut().iter_mut();
        nodes.flat_map(|node| [&mut node.created, &mut node.ended]).for_each(rank);
        self.seen.iter_mut().chain([&mut self.revision, &mut self.highest]).for_each(rank);
        self
    }
}

impl ZkQueue {
    fn token(&self, node: Node) -> u8 {
        if self.0 == Variant::SequenceAsToken { node.sequence } else { node.created }
    }

    fn creates(&self, state: &mut State, action: Action) -> Option<()> {
        match (action, state.phases[target(action)]) {
            (Action::Campaign(c), Phase::Idle) => {
                // Processes are alike: one order of beginning is enough.
                if c > 0 && state.phases[c - 1] == Phase::Idle || !state.live[c] {
                    return None;
                }
                state.phases[c] = Phase::Creating { kept: true };
                state.sent[c] = true;
            }
            (Action::Create(c), Phase::Creating { .. }) if state.sent[c] => {
                state.sent[c] = false;
                if state.create(c) {
                    state.answered[c] = true;
                } else {
                    state.phases[c] = Phase::Over;
                    state.live[c] = false;
                }
            }
            (Action::Created(c), Phase::Creating { kept }) if state.answered[c] => {
                state.answered[c] = false;
                state.seen[c] = state.node(c).created;
                state.phases[c] = if kept { Phase::Listing } else { Phase::Leaving };
            }
            (Action::Disconnect(c), Phase::Creating { kept }) if state.disconnects < DISCONNECTS => {
                state.disconnects += 1;
                state.late[c] |= std::mem::replace(&mut state.sent[c], false);
                state.answered[c] = false;
                state.phases[c] = Phase::Unknown { kept };
            }
            (Action::Late(c), _) if state.late[c] => {
                state.late[c] = false;
                let own = state.own[c];
                state.create(c);
                // Nobody has told the candidate.
                if !matches!(state.phases[c], Phase::Unknown { .. }) {
                    state.own[c] = own;
                }
            }
            (Action::Dropped(c), _) if state.late[c] => state.late[c] = false,
            (Action::Find(c), Phase::Unknown { kept }) => {
                let synced = !matches!(self.0, Variant::NoFind | Variant::FindWithoutSync);
                if synced && state.late[c] {
                    return None;
                }
                state.seen[c] = state.revision;
                state.phases[c] = match (self.0 != Variant::NoFind && state.stands(c), kept) {
                    _ if !state.exists[c] => Phase::Over,
                    (true, true) => Phase::Listing,
                    (true, false) => Phase::Leaving,
                    (false, true) => {
                        state.sent[c] = true;
                        Phase::Creating { kept }
                    }
                    (false, false) => Phase::Over,
                };
            }
            _ => return None,
        }
        Some(())
    }

    fn waits(&self, state: &mut State, action: Action) -> Option<()> {
        match (action, state.phases[target(action)]) {
            (Action::List(c, revision), Phase::Listing) => {
                if revision < state.seen[c] || revision > state.revision {
                    return None;
                }
                state.seen[c] = revision;
                match state.ahead(c, revision) {
                    _ if !state.node(c).existed(revision) => state.phases[c] = Phase::Over,
                    None => state.win(c, self.token(state.node(c))),
                    Some(ahead) => state.phases[c] = Phase::Waiting { ahead },
                }
            }
            (Action::SeesEnd(c), Phase::Waiting { ahead }) => {
                let ended = state.nodes[ahead as usize].map(|node| node.ended).into_iter().max()?;
                if ended == 0 {
                    return None;
                }
                state.seen[c] = state.seen[c].max(ended);
                state.phases[c] = Phase::Listing;
                if self.0 == Variant::NoRecheck {
                    state.win(c, self.token(state.node(c)));
                }
            }
            (Action::Cancel(c), Phase::Creating { kept: true } | Phase::Unknown { kept: true })
                if self.0 == Variant::CancelLeaves =>
            {
                state.late[c] |= std::mem::replace(&mut state.sent[c], false);
                state.answered[c] = false;
                state.phases[c] = Phase::Over;
            }
            (Action::Cancel(c), Phase::Creating { kept: true }) => {
                state.phases[c] = Phase::Creating { kept: false };
            }
            (Action::Cancel(c), Phase::Unknown { kept: true }) => {
                state.phases[c] = Phase::Unknown { kept: false }
            }
            (Action::Cancel(c), Phase::Listing | Phase::Waiting { .. }) => state.phases[c] = Phase::Leaving,
            (Action::Resign(c), Phase::Leading) => state.phases[c] = Phase::Leaving,
            (Action::Delete(c), Phase::Leaving) => {
                let first = (0..N).filter(|c| state.stands(*c)).min_by_key(|c| state.node(*c).created);
                let hit = if self.0 == Variant::RemovesTheFirst { first.unwrap_or(c) } else { c };
                let slot = state.own[hit] as usize;
                state.end(hit, std::iter::once(slot));
                state.phases[c] = Phase::Over;
            }
            (Action::Notices(c), _) if state.is_in(c) && !state.live[c] => state.phases[c] = Phase::Leaving,
            (Action::Notices(c), _) if state.is_in(c) && !state.stands(c) => state.phases[c] = Phase::Over,
            _ => return None,
        }
        Some(())
    }

    fn sessions(state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Lapse(c) if state.live[c] && state.exists[c] && state.lapses < LAPSES => {
                if matches!(state.phases[c], Phase::Idle | Phase::Over) {
                    return None;
                }
                state.live[c] = false;
                state.lapses += 1;
            }
            Action::Lapse(c) if state.live[c] && !state.exists[c] => state.live[c] = false,
            Action::Expire(c) if state.exists[c] && !state.live[c] => {
                state.exists[c] = false;
                state.end(c, 0..2);
            }
            Action::AdminExpires(c) => {
                let waits = matches!(state.phases[c], Phase::Waiting { .. });
                if state.expired_by_admin
                    || !waits
                    || !state.stands(c)
                    || state.ahead(c, state.revision).is_none()
                {
                    return None;
                }
                state.expired_by_admin = true;
                state.exists[c] = false;
                state.end(c, 0..2);
            }
            Action::RemoveParent => {
                let empty = state.nodes.as_flattened().iter().all(|node| !node.existed(state.revision));
                if state.parent_removed || !empty || state.sequence == 0 {
                    return None;
                }
                state.parent_removed = true;
                state.sequence = 0;
            }
            _ => return None,
        }
        Some(())
    }
}

fn target(action: Action) -> usize {
    use Action::*;
    match action {
        Campaign(c)
        | Create(c)
        | Created(c)
        | Disconnect(c)
        | Late(c)
        | Dropped(c)
        | Find(c)
        | List(c, _) => c,
        SeesEnd(c) | Cancel(c) | Resign(c) | Delete(c) | Notices(c) => c,
        Lapse(c) | Expire(c) | AdminExpires(c) => c,
        RemoveParent => 0,
    }
}

impl Model for ZkQueue {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            revision: 0,
            sequence: 0,
            phases: [Phase::Idle; N],
            nodes: [[Node::default(); 2]; N],
            own: [0; N],
            sent: [false; N],
            answered: [false; N],
            late: [false; N],
            seen: [0; N],
            live: [true; N],
            exists: [true; N],
            lapses: 0,
            disconnects: 0,
            expired_by_admin: false,
            parent_removed: false,
            highest: 0,
            token_reused: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        use Action::*;
        actions.push(RemoveParent);
        for c in 0..N {
            actions.extend([Campaign(c), Create(c), Created(c), Disconnect(c), Late(c), Dropped(c), Find(c)]);
            actions.extend([SeesEnd(c), Cancel(c), Resign(c), Delete(c), Notices(c)]);
            actions.extend([Lapse(c), Expire(c), AdminExpires(c)]);
            actions.extend((state.seen[c]..=state.revision).map(|revision| List(c, revision)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Lapse(_) | Action::Expire(_) | Action::AdminExpires(_) | Action::RemoveParent => {
                Self::sessions(&mut state, action)?;
            }
            Action::List(..)
            | Action::SeesEnd(_)
            | Action::Cancel(_)
            | Action::Resign(_)
            | Action::Delete(_)
            | Action::Notices(_) => self.waits(&mut state, action)?,
            _ => self.creates(&mut state, action)?,
        }
        if self.0 == Variant::SequenceAsToken {
            return Some(state);
        }
        // Nobody looks at them.
        state.sequence = state.sequence.min(1);
        state.nodes.as_flattened_mut().iter_mut().for_each(|node| node.sequence = 0);
        Some(state.tidy())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1, |_: &Self, state: &State| (0..N).filter(|c| state.claims(*c)).count() <= 1),
            Property::always(S2, |_: &Self, state: &State| !state.token_reused),
            Property::always(L3, |_: &Self, state: &State| {
                let left = |c: usize| {
                    let nodes = state.nodes[c].iter().filter(|node| node.existed(state.revision)).count();
                    nodes > usize::from(state.is_in(c))
                };
                !state.quiet() || !(0..N).any(left)
            }),
            Property::always(L5, |_: &Self, state: &State| {
                let first = |c| state.stands(c) && state.ahead(c, state.revision).is_none();
                (0..N).all(|c| !state.claims(c) || first(c))
            }),
            Property::sometimes("a claim after two expiries", |_: &Self, state: &State| {
                state.lapses == LAPSES && state.live == state.exists && (0..N).any(|c| state.claims(c))
            }),
            Property::sometimes(
                "a leader sleeps past its deadline while another leads",
                |_: &Self, state: &State| (0..N).filter(|c| state.phases[*c] == Phase::Leading).count() == 2,
            ),
            Property::sometimes("a claim on the node of a lost reply", |_: &Self, state: &State| {
                state.disconnects > 0 && state.claims(0) && state.nodes[0][0].created == 1
            }),
            Property::sometimes("a claim after the parent was removed", |_: &Self, state: &State| {
                state.parent_removed && (0..N).any(|c| state.claims(c))
            }),
        ]
    }
}

const S1: &str = "S1: at most one valid claim";
const S2: &str = "S2: tokens increase";
const L3: &str = "L3: nothing is left behind once all is quiet";
const L5: &str = "L5: a valid claim stands on a record, the first one";

#[test]
fn the_queue_holds() {
    holds("zookeeper queue", ZkQueue(Variant::Recipe), 100_000);
}

#[test]
fn naive_queues_are_caught() {
    let naive = |name, variant, property| breaks(name, ZkQueue(variant), property);
    naive("zookeeper, no list after the wait", Variant::NoRecheck, L5);
    naive("zookeeper, a second node after a lost reply", Variant::NoFind, L3);
    naive("zookeeper, looking for the node without a sync", Variant::FindWithoutSync, L3);
    naive("zookeeper, a request left behind on cancel", Variant::CancelLeaves, L3);
    naive("zookeeper, the sequence as token", Variant::SequenceAsToken, S2);
    naive("zookeeper, a resign that removes the first", Variant::RemovesTheFirst, L5);
}
