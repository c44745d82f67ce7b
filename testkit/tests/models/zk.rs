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

mod properties;
mod recipe;

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
