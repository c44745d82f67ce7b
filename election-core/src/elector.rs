//! The trait: [`Elector`], and [`Coordinator`], what the electors of one process share.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::candidate::{Candidate, ElectionName};
use crate::error::Result;
use crate::event::LeaderEvents;
use crate::leadership::Leadership;

/// One process's access to one election.
///
/// # Contract
/// What every implementation keeps, and what [`conformance`](crate::conformance) tests:
///
/// 1. **At most one valid claim at any instant of real time.** A claim runs from the first successful
///    [`check`](crate::LeadershipHandle::check) to the first of: the deadline, the start of `resign`, the drop. This
///    holds under pauses, crashes, partitions, clock steps, and clock rates that differ by no more than the
///    configured drift.
/// 2. **Tokens strictly increase** from one leadership of an election to the next.
/// 3. **Loss is final**, and what is left of a campaign that failed, was dropped or was killed is nothing.
/// 4. **Waiting is a queue**: first come, first served, and nobody is woken for nothing.
/// 5. **Observers are told the truth**: the present state first, then every newest state; see
///    [`observe`](Self::observe).
///
/// # For implementors
/// Build on [`backend`](crate::backend), and run the conformance laws (feature `conformance`).
///
/// # For wrappers
/// The trait is used as `Arc<dyn Elector>`. A wrapper delegates all four methods, or it loses what the inner
/// elector overrides.
#[async_trait]
pub trait Elector: fmt::Debug + Send + Sync {
    /// The election.
    fn election(&self) -> &ElectionName;

    /// Enters the election and waits, in the order of arrival, until elected.
    ///
    /// One process may campaign several times in one election: each campaign is a candidacy of its own.
    ///
    /// # Errors
    /// Retryable: [`Unavailable`](crate::Kind::Unavailable) or [`Timeout`](crate::Kind::Timeout) if the service
    /// cannot be reached within a bounded time; [`SessionLost`](crate::Kind::SessionLost) if the session or this
    /// candidacy's record went while it waited. Not retryable: `PermissionDenied`, `InvalidConfig`, `Closed`.
    /// No error leaves a live candidacy behind. [`ElectorExt::lead`](crate::ElectorExt::lead) retries by itself.
    ///
    /// # Cancel safety
    /// Dropping the future at any point withdraws the candidacy: within a round trip if the service can be
    /// reached, else within the TTL.
    async fn campaign(&self, candidate: Candidate) -> Result<Leadership>;

    /// Ends a leadership, whatever it answers: see [`Leadership::resign`].
    ///
    /// # Errors
    /// [`NotLeader`](crate::Kind::NotLeader) if it had ended before; every other error means "not confirmed",
    /// never "still leader".
    ///
    /// # Cancel safety
    /// Dropping the future loses the confirmation, not the resignation.
    async fn resign(&self, leadership: Leadership) -> Result<()> {
        leadership.resign().await
    }

    /// Follows the leadership of the election.
    ///
    /// The first item is the present state, without waiting for a change; it is never older than a claim made
    /// before the call. Tokens never decrease along the stream. States in between may be skipped, the newest
    /// never is. While the service cannot be reached the stream says
    /// [`Disconnected`](crate::LeaderEvent::Disconnected) and goes on by itself. It ends only after an `Err`
    /// (which is never retryable), or when dropped.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the observation.
    fn observe(&self) -> LeaderEvents;
}

/// What the electors of one process share: the connection and the session.
///
/// One session carries any number of elections and candidacies: ten thousand of them cost one stream of
/// renewals. When it expires a new one is opened for later campaigns.
#[async_trait]
pub trait Coordinator: fmt::Debug + Send + Sync {
    /// The name of the backend: `etcd`, `zk`, `raft` or `memory`.
    fn backend(&self) -> &'static str;

    /// Access to the election `name`. No request is sent.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::Kind::InvalidConfig) if the name is out of bounds (see [`ElectionName`]).
    fn elector(&self, name: &str) -> Result<Arc<dyn Elector>>;

    /// Ends every claim of this process at once, then removes its records and its session from the service.
    /// Later campaigns fail with [`Closed`](crate::Kind::Closed); observations end with it.
    ///
    /// # Errors
    /// "Not confirmed": what is left in the service goes with the TTL. Calling it twice is no error.
    ///
    /// # Cancel safety
    /// Dropping the future loses the confirmation; the session is ended in the background.
    async fn close(&self) -> Result<()>;
}
