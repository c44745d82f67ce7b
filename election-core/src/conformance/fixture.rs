//! [`Fixture`]: what the laws need from the author of a backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::candidate::ElectionName;
use crate::elector::Coordinator;
use crate::token::FencingToken;

/// Whether a law may share the coordination service with other laws that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// It may: a fixture on a shared service is enough, with a root (a namespace) of its own.
    Shared,
    /// It may not: it stops and starts the service, or counts what is in all of it.
    Own,
}

/// A coordination service under test, and what an administrator, or bad luck, can do to it.
///
/// One fixture serves one law. Elections of two fixtures must not meet: give each a root of its own.
/// The hooks act on the service itself, past the links of the processes under test, and share as little code
/// with the backend as possible. They panic when they cannot do what they are for: that is a failed test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Starts a "process": a coordinator that shares nothing with the others, behind a link of its own.
    async fn process(&self) -> Box<dyn Process>;

    /// The election that a law calls by this short name. Only a service without roots needs another name than
    /// that: a common prefix, of at most 64 bytes, that sets this fixture's elections apart.
    fn election(&self, name: &str) -> ElectionName {
        ElectionName::new(name).expect("the laws use valid names")
    }

    /// How long the service keeps a session that is not renewed, as it was granted.
    fn ttl(&self) -> Duration;

    /// How long after the crash of a leader the next candidate may take to lead: the backend's documented
    /// bound, TTL and expiry scan included, with what a busy machine needs on top.
    fn takeover_bound(&self) -> Duration;

    /// How long something may take that needs round trips but no TTL to pass: below the TTL, or a law that
    /// tells the two apart could not fail.
    fn prompt(&self) -> Duration {
        self.ttl() / 2
    }

    /// How long a call may take to fail when the service cannot be reached.
    fn unreachable_bound(&self) -> Duration {
        self.takeover_bound() * 2
    }

    /// How many candidates' records an election has, asked of the service itself.
    async fn records(&self, election: &ElectionName) -> usize;

    /// How many watches the service keeps at present for all of its clients, asked of the service itself. `None` if
    /// it does not tell; the law about them then says nothing. Called under [`Needs::Own`] only.
    async fn watches(&self) -> Option<usize> {
        None
    }

    /// Deletes the leader's record, which has this token, behind its back.
    async fn delete_record(&self, election: &ElectionName, token: FencingToken);

    /// Deletes the record of the candidate who waits last, behind its back. `false` if the service has no
    /// such act, not even for an administrator; the law about it then says nothing.
    async fn delete_last_record(&self, election: &ElectionName) -> bool;

    /// Removes an election with everything that the service keeps for it: its parent path, its entry.
    async fn remove_election(&self, election: &ElectionName);

    /// Stops the service, all of its servers, without a warning. Called under [`Needs::Own`] only.
    async fn stop_service(&self);

    /// Starts the service again, with its data, and waits until it serves.
    async fn start_service(&self);
}

/// One process of a [`Fixture`], and what can happen to it.
#[async_trait]
pub trait Process: Send + Sync {
    /// Its coordinator.
    fn coordinator(&self) -> &Arc<dyn Coordinator>;

    /// Cuts its link to the service: a black hole, in both directions, for open and for new connections.
    fn sever(&self);

    /// Mends the link; what was held back may arrive.
    async fn heal(&self);

    /// Ends it as a power cut would: nothing of it reaches the service any more, and there is no goodbye.
    /// (What the law holds of it, a leadership for example, goes on as if in a process that was cut off.)
    fn crash(&self);

    /// Ends its session at the service, and its records with it. Done when this returns.
    async fn expire(&self);
}
