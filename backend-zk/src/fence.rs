//! [`FencedRecord`]: writes to ZooKeeper that succeed only while a leadership lasts.

use std::fmt;
use std::sync::Arc;

use election_core::{Error, Kind, LeadershipHandle, Operation, Result};
use tokio::time::timeout;
use zookeeper_client as zk;

use crate::coordinator::{Shared, ZkCoordinator};
use crate::error::{BACKEND, Failure};
use crate::record;

/// The record of a leadership, for writes that ZooKeeper itself refuses once it is gone.
///
/// A check says what was true a moment ago. A transaction that begins with a check of the leader's record is
/// refused by the servers when the record has gone, however late it arrives: the fence for what is kept in
/// ZooKeeper itself.
///
/// ```no_run
/// # async fn demo(coordinator: &backend_zk::ZkCoordinator, leadership: &election_core::Leadership) -> election_core::Result<()> {
/// let record = coordinator.fence(leadership).await?;
/// record.commit(|write| write.add_set_data("/app/cursor", b"42", None)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FencedRecord {
    shared: Arc<Shared>,
    leadership: LeadershipHandle,
    path: Arc<str>,
}

impl ZkCoordinator {
    /// Finds the record of a leadership that was won through this coordinator: one round trip, or a few in a
    /// queue that moves.
    ///
    /// # Errors
    /// [`NotLeader`](Kind::NotLeader) if the leadership has ended; `Unavailable` or `Timeout` if no server answers.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn fence(&self, leadership: &LeadershipHandle) -> Result<FencedRecord> {
        let shared = self.shared().clone();
        leadership.check().map_err(|loss| not_leader(leadership).source(loss))?;
        let session = shared.session(Operation::Fence).await?;
        let parent = shared.path(leadership.election());
        let find = async {
            let children = session.client.list_children(&parent).await?;
            let Some(name) = record::first(&children) else { return Ok(None) };
            let path = format!("{parent}/{name}");
            let stat = session.client.check_stat(&path).await?;
            Ok(stat.filter(|stat| stat.czxid.unsigned_abs() == leadership.token().get()).map(|_| path))
        };
        let found = timeout(shared.config.connect_timeout, find).await;
        let found = found.map_err(|_| shared.unavailable(Operation::Fence))?;
        match found.map_err(|error| Error::from(Failure(Operation::Fence, error)))? {
            Some(path) => Ok(FencedRecord { leadership: leadership.clone(), path: path.into(), shared }),
            None => Err(not_leader(leadership)),
        }
    }
}

impl FencedRecord {
    /// Commits what `add` adds, all of it or nothing, if the record is still there.
    ///
    /// # Errors
    /// [`NotLeader`](Kind::NotLeader) if the leadership has ended, here or at the servers: then nothing was
    /// written. [`Timeout`](Kind::Timeout) and [`Unavailable`](Kind::Unavailable): it may or may not have been.
    /// Other kinds: one of the operations was refused, and nothing was written.
    ///
    /// # Cancel safety
    /// Dropping the future loses the outcome, not the write.
    pub async fn commit<F>(&self, add: F) -> Result<Vec<zk::MultiWriteResult>>
    where
        F: FnOnce(&mut zk::CheckWriter<'_>) -> Result<(), zk::Error>,
    {
        let failed =
            |error| Error::from(Failure(Operation::Fence, error)).election(self.leadership.election());
        self.leadership.check().map_err(|loss| not_leader(&self.leadership).source(loss))?;
        let session = self.shared.session(Operation::Fence).await?;
        let mut writer = session.client.new_check_writer(&self.path, None).map_err(failed)?;
        add(&mut writer).map_err(failed)?;
        match timeout(self.shared.config.connect_timeout, writer.commit()).await {
            Ok(Ok(results)) => Ok(results),
            Ok(Err(zk::CheckWriteError::CheckFailed { .. })) => Err(not_leader(&self.leadership)),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(_) => Err(Error::new(Kind::Timeout, Operation::Fence)
                .backend(BACKEND)
                .election(self.leadership.election())
                .message("no answer in time: the write may or may not have been committed")),
        }
    }

    /// The path of the record.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

fn not_leader(leadership: &LeadershipHandle) -> Error {
    Error::new(Kind::NotLeader, Operation::Fence).backend(BACKEND).election(leadership.election())
}

impl fmt::Debug for FencedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedRecord").field("path", &self.path).finish_non_exhaustive()
    }
}
