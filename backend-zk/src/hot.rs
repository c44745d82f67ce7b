//! For the instruction counts of this project's benches, and no part of the API: it may change at any time.

use election_core::CandidateId;

use crate::record::{self, Standing};

/// The children of an election's znode, as a candidate reads them.
#[derive(Debug)]
pub struct Children(Vec<String>);

impl Children {
    /// So many candidates, in no order.
    ///
    /// # Panics
    /// Never: the candidate's id is a good one.
    #[must_use]
    pub fn new(candidates: usize) -> Self {
        let id = CandidateId::new("worker-1").expect("a good id");
        // 7919 is a prime, and so no factor of any count: a permutation.
        let place = |i: usize| i * 7919 % candidates;
        Self((0..candidates).map(|i| format!("{}{:010}", record::new_prefix(&id), place(i))).collect())
    }

    /// Where the last in the queue stands, and who leads.
    ///
    /// # Panics
    /// When they are not who they should be.
    pub fn step(&self) {
        let last = format!("{:010}", self.0.len() - 1);
        let own = self.0.iter().find(|name| name.ends_with(&last)).expect("the last");
        assert!(matches!(record::standing(&self.0, own), Standing::Behind(_)));
        assert_eq!(record::first(&self.0).map(record::candidate_id), Some("worker-1"));
    }
}
