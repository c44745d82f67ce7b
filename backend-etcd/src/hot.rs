//! For the instruction counts of this project's benches, and no part of the API: it may change at any time.

use std::collections::VecDeque;

use bytes::Bytes;
use election_core::CandidateId;

use crate::contenders::{Contenders, Head};
use crate::keys;
use crate::watch::{Change, Put};

/// An observer's view of an election with a long queue.
#[derive(Debug)]
pub struct View {
    prefix: Vec<u8>,
    id: CandidateId,
    contenders: Contenders,
    queue: VecDeque<Vec<u8>>,
    revision: i64,
}

impl View {
    /// So many candidates.
    ///
    /// # Panics
    /// Never: the candidate's id is a good one.
    #[must_use]
    pub fn new(candidates: usize) -> Self {
        let (prefix, id) = (b"/election/billing/".to_vec(), CandidateId::new("worker-1").expect("a good id"));
        let contenders = Contenders::new(prefix.clone(), &[], &[]);
        let mut view = Self { prefix, id, contenders, queue: VecDeque::new(), revision: 1 };
        (0..candidates).for_each(|_| view.arrive());
        view
    }

    /// Two events: one arrives, the leader goes. Then the new leader is read off.
    ///
    /// # Panics
    /// When nobody leads.
    pub fn step(&mut self) {
        self.arrive();
        self.revision += 1;
        let key = self.queue.pop_front().expect("a leader");
        self.contenders.apply(Change { key, revision: self.revision, put: None });
        assert!(matches!(self.contenders.head(), Head::Leader(leader) if leader.id == self.id.as_str()));
    }

    fn arrive(&mut self) {
        self.revision += 1;
        let key = keys::record(&self.prefix, 0x1234_5678, &self.id);
        let put = Some(Put { created: self.revision, value: Bytes::from_static(b"10.0.0.7:8080") });
        self.queue.push_back(key.clone());
        self.contenders.apply(Change { key, revision: self.revision, put });
    }
}
