//! Changing the members of a group.

use std::time::Duration;

use election_core::{Operation, Result};

use crate::admin::RaftAdmin;
use crate::config::invalid;
use crate::error;
use crate::network::{Change, Request, Response};

/// A change may take as long as copying the state to a new member does.
const PATIENCE: Duration = Duration::from_secs(60);

impl RaftAdmin {
    /// Adds the node `node` at `address` (`host:port`): it gets a copy of the state, then a vote. With `replaces` the
    /// member of that id leaves in the same step. The node must have been started with `join=wait` (or `join=yes`,
    /// with which it asks for this itself), an empty data directory, and an id that was never used.
    ///
    /// One change is made at a time. Asked twice it does no harm, also when this process died in between: what is done
    /// is not done again. Answers with the ids and addresses of the members afterwards.
    ///
    /// # Errors
    /// `InvalidConfig` if the group will never do it (the id was used before, the node belongs to another group, …);
    /// `Unavailable` if it cannot now (another change is under way, the node does not answer, too few members are up);
    /// `PermissionDenied` if this process's certificate is a client's; `Timeout` if it is not known whether it was done.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer; the change goes on.
    pub async fn add_member(
        &self,
        node: u64,
        address: &str,
        replaces: Option<u64>,
    ) -> Result<Vec<(u64, String)>> {
        if replaces == Some(node) {
            return invalid(format!("node {node} cannot replace itself: a new member has a new id"));
        }
        self.change(Change::Add { node, address: address.into(), replaces, incarnation: None }).await
    }

    /// Removes the member `node`, whether it is up or not. It notices, stops serving, and says so; its id is never
    /// used again. If it is the Raft leader it hands over first, and no election loses its leader.
    ///
    /// With `force` it is removed also if too few of those that remain are up for a majority: then **the group stands
    /// still until they are**.
    ///
    /// # Errors
    /// As [`add_member`](Self::add_member).
    ///
    /// # Cancel safety
    /// As [`add_member`](Self::add_member).
    pub async fn remove_member(&self, node: u64, force: bool) -> Result<Vec<(u64, String)>> {
        self.change(Change::Remove { node, force }).await
    }

    async fn change(&self, change: Change) -> Result<Vec<(u64, String)>> {
        let patience = self.patience.max(PATIENCE);
        let answer = self.group.call(Request::Change(change), patience).await;
        match answer.map_err(|error| error::change(&error))? {
            Response::Members(members) => {
                self.group.learn(&members);
                Ok(members.into_iter().map(|member| (member.id, member.address)).collect())
            }
            other => Err(error::unexpected(Operation::Configure, other)),
        }
    }
}
