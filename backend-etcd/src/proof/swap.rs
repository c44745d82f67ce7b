//! Proof by swap: a new lease, every record moved to it by guarded transactions, the old lease revoked.
//!
//! Why it proves: the new lease was granted after `sent`, by a committed entry; whoever leads etcd then or
//! later keeps it for a full TTL from the grant, and a deposed leader that hangs does not know it. So a record
//! that hangs on it exists until `sent` + TTL, unless somebody deletes it.
//!
//! What can go wrong, and what stands then:
//! - *A part was moved, the next request failed*: the rest is tried again, on the same new lease, until all of
//!   it is moved or the session's deadline has passed. Nothing is proven and nothing revoked before.
//! - *A request's outcome is unknown*: it is sent again. A move compares the modification revision, so that the
//!   late duplicate of a move changes nothing.
//! - *A record vanished*: the comparison fails, the failed transaction says which, that candidacy is deposed
//!   and the others are moved.
//! - *A candidacy joins meanwhile*: if it began with the old lease, it is moved by its creator before it counts
//!   ([`Session::settle`]), and the old lease is not revoked before.

use std::sync::Arc;
use std::time::Duration;

use election_core::clock::Instant;
use election_core::{Kind, Operation, Result};
use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::record::{Place, Record};
use crate::requests::{self, MAX_TXN_OPS};
use crate::servers::{Bound, Servers};
use crate::session::Session;

/// A lease that was just granted.
pub(crate) struct Granted {
    pub(crate) lease: i64,
    /// Read before the request was sent: the TTL counts from here.
    pub(crate) sent: Instant,
    pub(crate) ttl: Duration,
}

/// Grants a lease. One attempt: each has an id and an instant of its own. Where the answer is lost, the lease is
/// revoked in the background, or ends with its TTL; nothing hangs on it.
pub(crate) async fn grant(
    servers: &Arc<Servers>,
    operation: Operation,
    attempt: Duration,
    ttl_seconds: i64,
    now: impl Fn() -> Instant,
) -> Result<Granted> {
    let (lease, sent) = (crate::keys::lease(), now());
    match requests::grant(servers, operation, Bound::once(attempt), lease, ttl_seconds).await {
        Ok(ttl) => Ok(Granted { lease, sent, ttl: Duration::from_secs(ttl.unsigned_abs()) }),
        Err(error) => {
            if error.is_retryable() {
                revoke_in_background(servers, attempt, vec![lease]);
            }
            Err(error)
        }
    }
}

/// Renews the session by moving its records to a new lease.
pub(crate) async fn renew(servers: &Arc<Servers>, session: &Session, ttl_seconds: i64) -> Result<()> {
    let attempt = session.attempt();
    let now = || session.state.clock().now();
    let granted = grant(servers, Operation::Renew, attempt, ttl_seconds, now).await?;
    session.switch(granted.lease);
    loop {
        let strays = session.strays();
        if strays.is_empty() {
            break;
        }
        if let Err(error) = move_all(servers, attempt, &strays, granted.lease).await {
            // Nothing is proven: the deadline stands where it was. What was moved stays moved.
            tracing::warn!(%error, strays = strays.len(), "moving records to a new lease failed, trying again");
            session.state.valid().map_err(|loss| crate::error::from_loss(loss, Operation::Renew))?;
            if error.kind() == Kind::SessionLost {
                // The new lease is gone already: begin anew, with another one.
                return Err(error);
            }
            tokio::time::sleep(attempt / 16).await;
        }
        for record in strays.iter().filter(|record| record.is_gone()) {
            session.leave(record);
        }
    }
    // The server may grant less than it did at first, after a change of its configuration.
    let validity = session
        .timing
        .validity()
        .min(election_core::Timing { ttl: granted.ttl, ..session.timing }.validity());
    session
        .state
        .prove(granted.sent, validity)
        .map_err(|loss| crate::error::from_loss(loss, Operation::Renew))?;
    revoke_in_background(servers, attempt, session.disused());
    Ok(())
}

/// Moves records to a lease, in batches. Those that have vanished are marked.
pub(crate) async fn move_all(
    servers: &Servers,
    attempt: Duration,
    records: &[Arc<Record>],
    lease: i64,
) -> Result<()> {
    // Four at a time: ten thousand records are 79 batches, and the TTL's third must suffice.
    let mut batches = records.chunks(MAX_TXN_OPS);
    let mut running: FuturesUnordered<_> =
        batches.by_ref().take(4).map(|batch| move_batch(servers, attempt, batch, lease)).collect();
    let mut outcome = Ok(());
    while let Some(moved) = running.next().await {
        outcome = outcome.and(moved);
        if let (Ok(()), Some(batch)) = (&outcome, batches.next()) {
            running.push(move_batch(servers, attempt, batch, lease));
        }
    }
    outcome
}

/// Moves one batch, once; those whose comparison failed are looked at and left to the next round.
async fn move_batch(servers: &Servers, attempt: Duration, batch: &[Arc<Record>], lease: i64) -> Result<()> {
    let compare = |record: &Arc<Record>| {
        Compare::mod_revision(record.key.as_slice(), CompareOp::Equal, record.place().modified)
    };
    // The value stays as it is, whoever wrote it.
    let put = PutOptions::new().with_ignore_value().with_lease(lease);
    #[cfg(zoo)]
    if election_core::zoo::planted("etcd-unguarded-renewal") {
        let put = PutOptions::new().with_lease(lease);
        let puts = batch.iter().map(|record| TxnOp::put(record.key.as_slice(), "", Some(put.clone())));
        let bound = Bound { attempt, total: attempt * 2 };
        let txn = Txn::new().and_then(puts.collect::<Vec<_>>());
        let answer = requests::txn(servers, Operation::Renew, bound, txn).await?;
        let modified = requests::header(answer.header(), Operation::Renew)?.revision();
        batch.iter().for_each(|record| record.set_place(Place { lease, modified }));
        return Ok(());
    }
    let txn = Txn::new()
        .when(batch.iter().map(compare).collect::<Vec<_>>())
        .and_then(
            batch
                .iter()
                .map(|record| TxnOp::put(record.key.as_slice(), "", Some(put.clone())))
                .collect::<Vec<_>>(),
        )
        .or_else(
            batch
                .iter()
                .map(|record| TxnOp::get(record.key.as_slice(), Some(GetOptions::new().with_keys_only())))
                .collect::<Vec<_>>(),
        );
    let answer = requests::txn(servers, Operation::Renew, Bound { attempt, total: attempt * 2 }, txn).await?;
    if answer.succeeded() {
        let modified = requests::header(answer.header(), Operation::Renew)?.revision();
        for record in batch {
            record.set_place(Place { lease, modified });
        }
        return Ok(());
    }
    let ranges = requests::ranges(&answer);
    if ranges.len() != batch.len() {
        return Err(requests::malformed(Operation::Renew));
    }
    for (record, range) in batch.iter().zip(&ranges) {
        match range.kvs().first() {
            Some(kv) if kv.create_revision() == record.created => {
                record.set_place(Place { lease: kv.lease(), modified: kv.mod_revision() });
            }
            _ => record.mark_gone(),
        }
    }
    Ok(())
}

/// Revokes leases that hold nothing of ours; where that fails they end with their TTL.
pub(crate) fn revoke_in_background(servers: &Arc<Servers>, attempt: Duration, leases: Vec<i64>) {
    for lease in leases {
        let servers = servers.clone();
        tokio::spawn(async move {
            let bound = Bound { attempt, total: attempt * 4 };
            if let Err(error) = requests::revoke(&servers, bound, lease).await {
                tracing::debug!(%error, "a disused lease is left to its TTL");
            }
        });
    }
}
