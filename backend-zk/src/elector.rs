//! [`ZkElector`]: access to one election.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use election_core::{Candidate, ElectionName, Elector, LeaderEvents, Leadership, Result};

use crate::candidacy;
use crate::coordinator::Shared;
use crate::observe;

/// One process's access to one election.
pub(crate) struct ZkElector {
    shared: Arc<Shared>,
    election: ElectionName,
}

impl ZkElector {
    pub(crate) fn new(shared: Arc<Shared>, election: ElectionName) -> Self {
        Self { shared, election }
    }
}

#[async_trait]
impl Elector for ZkElector {
    fn election(&self) -> &ElectionName {
        &self.election
    }

    async fn campaign(&self, candidate: Candidate) -> Result<Leadership> {
        candidacy::campaign(&self.shared, &self.election, candidate)
            .await
            .map_err(|error| error.election(&self.election))
    }

    fn observe(&self) -> LeaderEvents {
        observe::observe(&self.shared, &self.election)
    }
}

impl fmt::Debug for ZkElector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZkElector").field("election", &self.election).finish_non_exhaustive()
    }
}
