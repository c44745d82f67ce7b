//! The removal of a record, retried in the background until the TTL has passed.

use std::sync::Arc;

use election_core::{Backoff, ElectionName, Kind, Operation, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error;
use crate::requests;
use crate::servers::Bound;
use crate::session::Session;
use crate::shared::Shared;

/// Removes a record, if it is the one that was created at `created` (or, where that is unknown, whichever has
/// its unique name).
///
/// Who waits for the confirmation is answered within the configured timeout; the attempts go on until the TTL
/// has passed. What is still not confirmed then is left behind with its lease, which the next renewal replaces.
pub(crate) async fn remove(
    shared: Arc<Shared>,
    session: Arc<Session>,
    election: ElectionName,
    key: Vec<u8>,
    created: Option<i64>,
    mut confirm: Option<oneshot::Sender<Result<()>>>,
) {
    let start = Instant::now();
    let ttl = session.timing.ttl;
    let attempt = shared.bound().attempt;
    let mut backoff = Backoff::default();
    // Whether an attempt whose answer was lost may have removed it.
    let mut uncertain = created.is_none();
    loop {
        let removed =
            requests::delete(&shared.servers, Operation::Resign, Bound::once(attempt), &key, created).await;
        let error = match removed {
            Ok(true) => break answer(&mut confirm, Ok(())),
            Ok(false) if uncertain => break answer(&mut confirm, Ok(())),
            Ok(false) => {
                let error = error::new(Kind::NotLeader, Operation::Resign)
                    .election(&election)
                    .message("the record had been deleted before: somebody else may have led since");
                break answer(&mut confirm, Err(error));
            }
            Err(error) => error.election(&election),
        };
        uncertain = true;
        let delay = backoff.next_delay();
        let (elapsed, retry) = (start.elapsed() + delay, error.is_retryable());
        if elapsed >= ttl || !retry {
            tracing::warn!(%error, "a record could not be removed: it goes with its lease");
            session.poison();
            break answer(&mut confirm, Err(error));
        }
        if elapsed >= shared.config.timeout {
            let error = shared.servers.gave_up(error, shared.config.timeout);
            answer(&mut confirm, Err(error));
        }
        tokio::time::sleep(delay).await;
    }
}

fn answer(confirm: &mut Option<oneshot::Sender<Result<()>>>, outcome: Result<()>) {
    if let Some(confirm) = confirm.take() {
        // Nobody may be waiting: a drop does not.
        drop(confirm.send(outcome));
    }
}
