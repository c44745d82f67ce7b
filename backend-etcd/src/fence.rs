//! Fencing inside etcd: writes that are obeyed only while a leadership's record exists.

use election_core::{FencingToken, Kind, LeadershipHandle, Operation, Result};
use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnResponse};

use crate::elector::EtcdCoordinator;
use crate::error;
use crate::requests;

impl EtcdCoordinator {
    /// The comparison that holds exactly as long as the record of this leadership exists: its create revision is
    /// the token.
    ///
    /// Put it into the `when` of a transaction of your own. Unlike
    /// [`check`](LeadershipHandle::check) it cannot be outrun: etcd compares when it writes.
    ///
    /// # Errors
    /// [`Kind::NotLeader`] if the leadership has ended, or is not one of this coordinator.
    pub fn fence(&self, leadership: &LeadershipHandle) -> Result<Compare> {
        let token = leadership.check().map_err(|loss| not_leader(leadership).source(loss))?;
        let record = i64::try_from(FencingToken::get(token))
            .ok()
            .and_then(|created| self.shared().session()?.record(created))
            .filter(|record| record.election == *leadership.election())
            .ok_or_else(|| {
                not_leader(leadership).message("this coordinator holds no record of that leadership")
            })?;
        Ok(Compare::create_revision(record.key.as_slice(), CompareOp::Equal, record.created))
    }

    /// Applies `operations` in one transaction if the record of this leadership exists at that moment.
    ///
    /// It is sent again when an answer is lost, so `operations` must be such that twice is as good as once (puts
    /// and deletes are).
    ///
    /// # Errors
    /// [`Kind::NotLeader`] if the record does not exist any more: nothing was written. `Unavailable` or
    /// `Timeout`: it may have been written, also by an attempt whose answer was lost and after which the record went.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether it was written.
    pub async fn fenced(&self, leadership: &LeadershipHandle, operations: Vec<TxnOp>) -> Result<TxnResponse> {
        let shared = self.shared();
        let txn = Txn::new().when([self.fence(leadership)?]).and_then(operations);
        let answer = requests::txn_counted(&shared.servers, Operation::Fence, shared.bound(), txn).await;
        let (answer, once) = answer.map_err(|error| error.election(leadership.election()))?;
        if answer.succeeded() {
            return Ok(answer);
        }
        Err(refusal(leadership, once))
    }
}

/// What it means that the record is not there, if that is the answer to the first time it was sent.
fn refusal(leadership: &LeadershipHandle, once: bool) -> election_core::Error {
    if once {
        return not_leader(leadership).message("the record of that leadership is gone: nothing was written");
    }
    error::new(Kind::Timeout, Operation::Fence).election(leadership.election()).message(
        "the record of that leadership is gone, and an attempt before was not answered: it may have been written",
    )
}

fn not_leader(leadership: &LeadershipHandle) -> election_core::Error {
    error::new(Kind::NotLeader, Operation::Fence).election(leadership.election())
}
