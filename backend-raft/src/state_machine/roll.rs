//! The roll of members: who is one, who was one, and by which data directory each is known.
//!
//! It is a part of the replicated state, so every member that is up to date knows the same, also after restarts
//! and by way of snapshots: an id belongs to one data directory for good, and is never given out again. A node
//! that lost its disk may have forgotten a vote, whoever it is that it asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::Refusal;
use crate::store::Incarnation;
use crate::types::NodeId;

/// Where an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// A data directory has it, which is not a member's yet.
    Enrolled,
    /// It is a member's.
    Member,
    /// It was a member's.
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    stage: Stage,
    /// The data directory, once it is known. Those who form a group are listed before they are.
    incarnation: Option<Incarnation>,
}

/// Every id that was ever used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roll(BTreeMap<NodeId, Line>);

impl Roll {
    /// Gives an id to a data directory, for good.
    pub(super) fn enroll(&mut self, id: NodeId, incarnation: Incarnation) -> Result<(), Refusal> {
        let line = self.0.entry(id).or_insert(Line { stage: Stage::Enrolled, incarnation: None });
        match (line.stage, line.incarnation) {
            (Stage::Removed, _) => Err(Refusal::IdRemoved),
            (_, Some(known)) if known != incarnation => Err(Refusal::IdTaken),
            (_, _) => {
                line.incarnation = Some(incarnation);
                Ok(())
            }
        }
    }

    /// Takes in who the members are now.
    pub(super) fn members(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        let mut gone: Vec<NodeId> =
            self.0.iter().filter(|(_, line)| line.stage == Stage::Member).map(|(id, _)| *id).collect();
        for id in ids {
            gone.retain(|other| *other != id);
            let line = self.0.entry(id).or_insert(Line { stage: Stage::Member, incarnation: None });
            // Nobody comes back: a membership that says so would be a defect, and must not become a second life.
            if line.stage != Stage::Removed {
                line.stage = Stage::Member;
            }
        }
        for id in gone {
            if let Some(line) = self.0.get_mut(&id) {
                line.stage = Stage::Removed;
            }
        }
    }

    /// Where an id stands; `None` if it was never used.
    pub(crate) fn stage(&self, id: NodeId) -> Option<Stage> {
        self.0.get(&id).map(|line| line.stage)
    }

    /// The data directory that an id belongs to, if that is known.
    pub(crate) fn incarnation(&self, id: NodeId) -> Option<Incarnation> {
        self.0.get(&id)?.incarnation
    }

    /// Every id that was ever used.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.0.keys().copied()
    }

    /// An id that was never used.
    pub(crate) fn free(&self) -> NodeId {
        self.0.keys().next_back().map_or(1, |last| last.saturating_add(1))
    }

    /// Whether nobody has an id yet.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_one_directory_and_is_never_given_out_again() {
        let mut roll = Roll::default();
        roll.members([1, 2, 3]);
        assert_eq!((roll.stage(2), roll.incarnation(2), roll.free()), (Some(Stage::Member), None, 4));
        assert_eq!(roll.enroll(2, 20), Ok(()));
        assert_eq!(roll.enroll(2, 20), Ok(()), "asked twice");
        assert_eq!(roll.enroll(2, 21), Err(Refusal::IdTaken));
        assert_eq!(roll.enroll(4, 40), Ok(()));
        assert_eq!((roll.stage(4), roll.enroll(4, 41)), (Some(Stage::Enrolled), Err(Refusal::IdTaken)));
        // Enrolled, but not a member yet: a change of the others does not remove it.
        roll.members([1, 3]);
        assert_eq!((roll.stage(2), roll.stage(4)), (Some(Stage::Removed), Some(Stage::Enrolled)));
        assert_eq!(roll.enroll(2, 20), Err(Refusal::IdRemoved), "not even with its own directory");
        roll.members([1, 2, 3, 4]);
        assert_eq!((roll.stage(2), roll.stage(4)), (Some(Stage::Removed), Some(Stage::Member)));
        assert_eq!(roll.ids().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(roll.free(), 5);
    }
}
