//! [`Removal`]: a record is removed, with attempts in the background until the TTL has passed.

use std::sync::Arc;

use election_core::{Backoff, ElectionName, Kind, Operation, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error;
use crate::names::{Name, Names};
use crate::requests::{self, Deleted};
use crate::servers::Bound;
use crate::session::{Passage, Session};
use crate::shared::Shared;

/// What is to be removed, and who wants to know.
pub(crate) struct Removal {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: Arc<Session>,
    pub(crate) election: ElectionName,
    pub(crate) key: Vec<u8>,
    /// To be given back if the removal is one request that is answered.
    pub(crate) name: Option<(Arc<Names>, Name)>,
    /// The lease that the record was on; unknown if the answer to its creation was lost.
    pub(crate) lease: Option<i64>,
    /// Keeps the session from being idle.
    pub(crate) _passage: Option<Passage>,
    pub(crate) confirm: Option<oneshot::Sender<Result<()>>>,
}

impl Removal {
    /// Removes the record.
    ///
    /// Who waits for the confirmation is answered within the configured timeout; the attempts go on until the TTL
    /// has passed. What is still not confirmed then is left behind with its lease, which the next renewal
    /// replaces.
    pub(crate) async fn run(mut self) {
        let start = Instant::now();
        let (ttl, bound) = (self.session.timing.ttl, self.shared.bound());
        let mut backoff = Backoff::default();
        // Whether an attempt whose answer was lost may have removed it.
        let mut uncertain = false;
        loop {
            let error = match self.attempt(bound).await {
                Ok(Deleted { existed: true, once }) => {
                    if let (true, false, Some((names, name))) = (once, uncertain, self.name.take()) {
                        names.give_back(name);
                    }
                    return self.answer(Ok(()));
                }
                // Sent twice within one attempt, the first may have been obeyed.
                Ok(deleted) if uncertain || !deleted.once || self.may_be_our_own_doing() => {
                    return self.answer(Ok(()));
                }
                Ok(_) => {
                    let error = error::new(Kind::NotLeader, Operation::Resign)
                        .election(&self.election)
                        .message("the record had been deleted before: somebody else may have led since");
                    return self.answer(Err(error));
                }
                Err(error) => error.election(&self.election),
            };
            uncertain = true;
            let delay = backoff.next_delay();
            let elapsed = start.elapsed() + delay;
            if elapsed >= ttl || !error.is_retryable() {
                tracing::warn!(%error, "a record could not be removed: it goes with its lease");
                self.session.poison();
                return self.answer(Err(error));
            }
            if elapsed >= bound.total {
                let error = self.shared.servers.gave_up(error, bound.total);
                self.answer(Err(error));
            }
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(&self, bound: Bound) -> Result<Deleted> {
        let once = Bound::once(bound.attempt);
        requests::delete(&self.shared.servers, Operation::Resign, once, &self.key).await
    }

    /// A swap of leases leaves behind a record that is being removed, and revokes the lease that it is on; so does
    /// the end of the session.
    fn may_be_our_own_doing(&self) -> bool {
        self.lease.is_none_or(|lease| self.session.may_have_revoked(lease))
    }

    fn answer(&mut self, outcome: Result<()>) {
        if let Some(confirm) = self.confirm.take() {
            // Nobody may be waiting: a drop does not.
            drop(confirm.send(outcome));
        }
    }
}
