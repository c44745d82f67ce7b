//! [`RaftAdmin`]: looking into a group, and intervening.

use std::sync::Arc;
use std::time::Duration;

use election_core::{ElectionName, FencingToken, Operation, Result};

use crate::config::RaftConfig;
use crate::error;
use crate::network::{Group, Request, Response};
use crate::state_machine::{CandidacyId, Command, Outcome};

/// An administrator's access to a group. It has no session and campaigns for nothing.
///
/// With TLS, whatever changes something needs a certificate for `NAME.admin.CLUSTER`, or a member's; a client's may
/// look. Without, whoever reaches a member may do everything.
#[derive(Clone)]
pub struct RaftAdmin {
    pub(crate) group: Arc<Group>,
    pub(crate) patience: Duration,
}

/// A place in an election's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The session it belongs to.
    pub session: u64,
    /// Its number within the session.
    pub number: u64,
    /// The candidate's id.
    pub id: String,
    /// The token, if it leads.
    pub token: Option<FencingToken>,
}

impl RaftAdmin {
    /// Access to the group that `config` names. Nothing is sent yet.
    ///
    /// # Errors
    /// `InvalidConfig` as [`RaftConfig::validate`], or if a certificate file is not in order.
    pub fn new(config: &RaftConfig) -> Result<Self> {
        config.validate()?;
        let attempt = config.session.attempt_timeout.max(config.raft.election_max);
        let group = Group::new(&config.cluster, &config.by_id(), None, attempt, &config.security()?);
        Ok(Self { group: Arc::new(group), patience: config.patience })
    }

    pub(crate) async fn ask(&self, request: Request, operation: Operation) -> Result<Response> {
        self.group.call(request, self.patience).await.map_err(|error| error::group(&error, operation))
    }

    async fn remove_record(&self, command: Command) -> Result<bool> {
        match self.ask(Request::Administer(command), Operation::Resign).await? {
            Response::Written { outcome: Outcome::Removed, .. } => Ok(true),
            Response::Written { outcome: Outcome::Absent, .. } => Ok(false),
            other => Err(error::unexpected(Operation::Resign, other)),
        }
    }

    /// The queue of an election, the leader first, as of now.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout` if the group does not answer.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn queue(&self, election: &ElectionName) -> Result<Vec<Place>> {
        let request = Request::Queue { election: election.as_str().into() };
        match self.ask(request, Operation::Observe).await? {
            Response::Queue(places) => Ok(places
                .into_iter()
                .map(|place| Place {
                    session: place.candidacy.session,
                    number: place.candidacy.number,
                    id: place.id,
                    token: place.token.map(FencingToken::new),
                })
                .collect()),
            other => Err(error::unexpected(Operation::Observe, other)),
        }
    }

    /// Removes a record from a queue. A leader is deposed by it, a waiting campaign fails. False if it was not
    /// there.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout` if the group does not answer: it may then be removed or not;
    /// `PermissionDenied` if this process's certificate is a client's.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer, perhaps not the removal.
    pub async fn remove(&self, election: &ElectionName, place: &Place) -> Result<bool> {
        let candidacy = CandidacyId { session: place.session, number: place.number };
        self.remove_record(Command::Remove { candidacy, election: election.as_str().into() }).await
    }

    /// Ends a session with all its candidacies. False if there was none.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    ///
    /// # Cancel safety
    /// As [`remove`](Self::remove).
    pub async fn end_session(&self, session: u64) -> Result<bool> {
        self.remove_record(Command::CloseSession { session }).await
    }
}

impl std::fmt::Debug for RaftAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftAdmin").field("members", &self.group.addresses()).finish()
    }
}
