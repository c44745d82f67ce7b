//! What can be seen in a state, and its small changes.

use super::*;

impl State {
    pub(super) fn present_lease(&self, c: usize) -> u8 {
        u8::from(self.session[c] == 0 && self.swap != Swapping::NotYet)
    }

    pub(super) fn lease_stands(&self, c: usize, lease: u8) -> bool {
        self.exists[self.session[c] as usize] && (lease == 1 || self.session[c] != 0 || self.old_lease)
    }

    pub(super) fn existed(&self, c: usize, revision: u8) -> bool {
        let Record { created, ended, .. } = self.records[c];
        created != 0 && created <= revision && (ended == 0 || ended > revision)
    }

    pub(super) fn stands(&self, c: usize) -> bool {
        self.existed(c, self.revision)
    }

    /// The predecessor at a revision, and how many were ahead.
    pub(super) fn ahead(&self, c: usize, revision: u8) -> (Option<u8>, usize) {
        let own = self.records[c].created;
        let ahead =
            (0..N).filter(|other| self.existed(*other, revision) && self.records[*other].created < own);
        let nearest = ahead.clone().max_by_key(|other| self.records[*other].created);
        (nearest.map(|c| c as u8), ahead.count())
    }

    pub(super) fn end(&mut self, gone: impl Fn(&Self, usize) -> bool) {
        // One revision for all that hangs on a lease.
        let ended: Vec<usize> = (0..N).filter(|c| self.stands(*c) && gone(self, *c)).collect();
        if !ended.is_empty() {
            self.revision += 1;
            ended.iter().for_each(|c| self.records[*c].ended = self.revision);
        }
    }

    pub(super) fn claims(&self, c: usize) -> bool {
        self.phases[c] == Phase::Leading && self.live[self.session[c] as usize]
    }

    pub(super) fn leave(&mut self, c: usize) {
        self.phases[c] = Phase::Leaving;
        self.deletes[c] += 1;
    }

    /// `Candidacy::win`: a leadership, unless the session has ended.
    pub(super) fn win(&mut self, c: usize) {
        if !self.live[self.session[c] as usize] {
            return self.leave(c);
        }
        self.phases[c] = Phase::Leading;
        let token = self.records[c].created;
        self.token_reused |= token <= self.highest;
        self.highest = self.highest.max(token);
    }

    pub(super) fn is_in(&self, c: usize) -> bool {
        matches!(self.phases[c], Phase::Waiting { .. } | Phase::Looking { .. } | Phase::Leading)
    }

    /// Nothing of it is on its way.
    pub(super) fn still(&self, c: usize) -> bool {
        let sent = self.asked[c].is_some() || self.late[c].is_some() || self.answers[c] != Answer::None;
        !sent && self.deletes[c] == 0 && self.moves[c].is_none()
    }

    pub(super) fn quiet(&self) -> bool {
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
    pub(super) fn tidy(mut self) -> Self {
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
        for c in (0..N).filter(|c| forgotten[*c]) {
            self.records[c] = Record::default();
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
