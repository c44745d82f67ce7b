//! What openraft sees of the state machine.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use super::command::Outcome;
use super::replica::Replica;
use super::state::State;
use crate::store::SnapshotFile;
use crate::types::{LogId, Membership, Snapshot, SnapshotMeta, TypeConfig};

/// The replica, with a place on disk for its snapshots.
///
/// The state lives in memory. After a restart it is the last snapshot plus the log, so a snapshot is on disk
/// before the log entries that it replaces are purged.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    replica: Replica,
    file: Arc<SnapshotFile>,
}

impl Machine {
    /// The state machine of one node.
    pub(crate) fn new(replica: Replica, file: Arc<SnapshotFile>) -> Self {
        Self { replica, file }
    }
}

/// Runs what touches the disk away from the threads that answer heartbeats.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        let inner = self.replica.lock();
        Ok((inner.applied, inner.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let id = entry.log_id();
            let outcome = match entry.payload {
                EntryPayload::Normal(command) => self.replica.apply(id, &command),
                EntryPayload::Blank => {
                    self.replica.lock().applied = Some(id);
                    Outcome::Nothing
                }
                EntryPayload::Membership(membership) => {
                    self.replica.change_members(id, Membership::new(Some(id), membership));
                    Outcome::Nothing
                }
            };
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Bytes) -> io::Result<()> {
        // Decoded before it is saved: a snapshot that cannot be read must not replace one that can.
        let state = State::decode(&snapshot).map_err(io::Error::other)?;
        let (file, saved) = (self.file.clone(), meta.clone());
        on_disk(move || file.save(&saved, &snapshot)).await?;
        self.replica.install(state, meta.last_log_id, meta.last_membership.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let file = self.file.clone();
        let found = on_disk(move || file.load()).await?;
        Ok(found.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let (meta, state) = {
            let inner = self.replica.lock();
            let meta = SnapshotMeta { last_log_id: inner.applied, last_membership: inner.membership.clone() };
            (meta, inner.state.clone())
        };
        let file = self.file.clone();
        on_disk(move || {
            let snapshot = Bytes::from(state.encode().map_err(io::Error::other)?);
            file.save(&meta, &snapshot)?;
            Ok(Snapshot { meta, snapshot })
        })
        .await
    }
}
