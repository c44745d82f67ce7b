//! [`MemoryElector`]: one process's access to one election in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::candidacy::campaign;
use super::coordinator::MemoryCoordinator;
use super::observe::observe;
use crate::candidate::{Candidate, ElectionName};
use crate::elector::Elector;
use crate::error::Result;
use crate::event::LeaderEvents;
use crate::leadership::Leadership;

#[derive(Debug)]
pub(super) struct MemoryElector {
    coordinator: Arc<MemoryCoordinator>,
    election: ElectionName,
}

impl MemoryElector {
    pub(super) fn new(coordinator: Arc<MemoryCoordinator>, election: ElectionName) -> Self {
        Self { coordinator, election }
    }
}

#[async_trait]
impl Elector for MemoryElector {
    fn election(&self) -> &ElectionName {
        &self.election
    }

    async fn campaign(&self, candidate: Candidate) -> Result<Leadership> {
        campaign(&self.coordinator, &self.election, candidate).await
    }

    fn observe(&self) -> LeaderEvents {
        observe(self.coordinator.clone(), self.election.clone())
    }
}
