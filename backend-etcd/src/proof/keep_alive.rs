//! Proof by keep-alive and a committed write in the same Raft term.
//!
//! An answered keep-alive alone proves nothing: a deposed leader that hangs goes on answering while the real
//! one lets the lease expire. But its header holds the term of the member that was asked, filled *before* the
//! renewal; the header of the transaction that is sent afterwards is filled *after* it was applied; and a
//! member's term only grows. Had a newer leader been elected before the keep-alive was handled, the
//! transaction could not have been committed in the old term. So with equal terms the leader of that term
//! handled the renewal, and every later leader starts the lease at its full TTL.

use std::sync::Arc;
use std::time::Duration;

use election_core::{Kind, Loss, Operation, Result, Timing};
use etcd_client::{Compare, CompareOp, GetOptions, LeaseKeepAliveStream, LeaseKeeper, Txn, TxnOp};
use tokio::time::timeout;

use crate::error;
use crate::record::Record;
use crate::requests::{self, MAX_TXN_OPS};
use crate::servers::{Bound, Servers};
use crate::session::Session;

/// The stream of keep-alives of one lease. etcd-client's is bare: it neither reconnects nor times out.
pub(crate) struct KeepAlive {
    open: Option<Open>,
}

struct Open {
    keeper: LeaseKeeper,
    answers: LeaseKeepAliveStream,
    server: usize,
}

impl KeepAlive {
    pub(crate) const fn new() -> Self {
        Self { open: None }
    }

    /// Renews the session and proves it. One attempt.
    pub(crate) async fn renew(&mut self, servers: &Arc<Servers>, session: &Session) -> Result<()> {
        let lease = session.lease();
        let sent = session.state.clock().now();
        let answered = timeout(session.attempt(), self.keep_alive(servers, lease.0)).await;
        let answered = answered.unwrap_or_else(|_| Err(error::new(Kind::Timeout, Operation::Renew)));
        let (ttl, term) = match answered {
            Ok(answer) => answer,
            Err(error) => {
                // Whatever state the stream is in: the next attempt opens another one, elsewhere.
                servers.avoid(self.open.take().map_or(servers.preferred(), |open| open.server));
                return Err(error);
            }
        };
        if ttl.is_zero() {
            session.state.end(Loss::SessionExpired);
            return Err(error::new(Kind::SessionLost, Operation::Renew));
        }
        #[cfg(zoo)]
        if !election_core::zoo::planted("etcd-keep-alive-trusted") {
            verify(servers, session, term).await?;
        }
        #[cfg(not(zoo))]
        verify(servers, session, term).await?;
        let validity = session.timing.validity().min(Timing { ttl, ..session.timing }.validity());
        session.state.prove(sent, validity).map(drop).map_err(|loss| error::from_loss(loss, Operation::Renew))
    }

    /// The TTL, zero if the lease is gone, and the term.
    async fn keep_alive(&mut self, servers: &Servers, lease: i64) -> Result<(Duration, u64)> {
        let etcd = |error| error::from_etcd(error, Operation::Renew);
        if self.open.as_ref().is_none_or(|open| open.keeper.id() != lease) {
            self.open = None;
            let server = servers.preferred();
            // A wrapper without a bound of its own: the caller's holds.
            let opened = servers.call_at(server, Operation::Renew, Duration::MAX, |client| {
                let mut client = client.lease_client();
                async move { client.keep_alive(lease).await }
            });
            // This sends a keep-alive, too, and fails if the lease is gone; its answer's header is not shown.
            match opened.await {
                Ok((keeper, answers)) => self.open = Some(Open { keeper, answers, server }),
                Err(error) if error.kind() == Kind::SessionLost => return Ok((Duration::ZERO, 0)),
                Err(error) => return Err(error),
            }
        }
        let ended = || error::new(Kind::Unavailable, Operation::Renew);
        let open = self.open.as_mut().ok_or_else(ended)?;
        open.keeper.keep_alive().await.map_err(etcd)?;
        let answer = open.answers.message().await.map_err(etcd)?.ok_or_else(ended)?;
        let term = requests::header(answer.header(), Operation::Renew)?.raft_term();
        Ok((Duration::from_secs(answer.ttl().max(0).unsigned_abs()), term))
    }
}

/// Commits transactions that compare every record of the session, all of them in `term`.
async fn verify(servers: &Servers, session: &Session, term: u64) -> Result<()> {
    let records = session.records();
    if records.is_empty() {
        // The last one left while the lease was kept alive: no comparison, no commit, no proof. The next renewal
        // swaps, or there is nothing left to renew.
        return Err(error::new(Kind::Unavailable, Operation::Renew)
            .message("every record left during the renewal: trying again"));
    }
    // One operation is the write.
    for batch in records.chunks(MAX_TXN_OPS - 1) {
        let seen = compare_batch(servers, session, batch).await?;
        if seen != term {
            return Err(error::new(Kind::Unavailable, Operation::Renew).message(format!(
                "etcd's leader changed during the renewal (terms {term} and {seen}): trying again"
            )));
        }
    }
    Ok(())
}

/// The term in which the comparison of these records was answered.
async fn compare_batch(servers: &Servers, session: &Session, batch: &[Arc<Record>]) -> Result<u64> {
    let Some(first) = batch.first() else { return Err(requests::malformed(Operation::Renew)) };
    // Deleting a key that never exists is a write, so it goes through the Raft log, and it changes nothing: no
    // revision, no event. The name is below our own record's, where we have the right to write.
    let write = TxnOp::delete([first.key.as_slice(), b".proof"].concat(), None);
    let compare = |record: &Arc<Record>| {
        Compare::create_revision(record.key.as_slice(), CompareOp::Equal, record.created)
    };
    let look =
        |record: &Arc<Record>| TxnOp::get(record.key.as_slice(), Some(GetOptions::new().with_keys_only()));
    let txn = Txn::new()
        .when(batch.iter().map(compare).collect::<Vec<_>>())
        .and_then([write.clone()])
        .or_else(std::iter::once(write).chain(batch.iter().map(look)).collect::<Vec<_>>());
    let attempt = session.attempt();
    let answer = requests::txn(servers, Operation::Renew, Bound { attempt, total: attempt * 2 }, txn).await?;
    if !answer.succeeded() {
        for (record, range) in batch.iter().zip(requests::ranges(&answer)) {
            if !requests::is_record(range.kvs().first(), record.created) {
                record.mark_gone();
                session.leave(record);
            }
        }
    }
    Ok(requests::header(answer.header(), Operation::Renew)?.raft_term())
}
