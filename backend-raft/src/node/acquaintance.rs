//! Whether a node is the one that it was.

use std::io;

use futures::FutureExt;

use crate::network::Recognise;
use crate::state_machine::Replica;
use crate::store::{Incarnation, LogStore};
use crate::types::NodeId;

/// Whether `incarnation` is the data directory that `id` belongs to: by the group's roll or, as long as that does
/// not say, the first one that this node has seen. A node that lost its disk comes back with another one.
pub(super) async fn recognise(
    replica: &Replica,
    log: &LogStore,
    id: NodeId,
    incarnation: Incarnation,
) -> io::Result<bool> {
    #[cfg(zoo)]
    if election_core::zoo::planted("raft-any-disk-will-do") {
        return Ok(true);
    }
    match replica.incarnation(id) {
        Some(known) => Ok(known == incarnation),
        None => log.recognise(id, incarnation).await,
    }
}

/// The same for those whom this node calls.
pub(super) fn recogniser(replica: Replica, log: LogStore) -> Recognise {
    std::sync::Arc::new(move |id, incarnation| {
        let (replica, log) = (replica.clone(), log.clone());
        // Not known is not recognised: a vote of somebody else's would count.
        async move { recognise(&replica, &log, id, incarnation).await.unwrap_or(false) }.boxed()
    })
}
