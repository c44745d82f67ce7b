//! Hands out backups.

use futures::{StreamExt, stream};

use super::clients::{Clients, forbidden};
use super::service::fatal;
use crate::backup::Contents;
use crate::metering;
use crate::network::{Caller, Failure, Item, ItemStream, limits};

/// A message is at most 8 MiB; a part is far below that, so that other answers on its connection need not wait.
const PART: usize = 1024 * 1024;

impl Clients {
    /// The state as of now, as the bytes of a backup's file.
    pub(super) async fn backup(&self, caller: &Caller) -> Result<ItemStream, Failure> {
        if !caller.origin.is_admin() {
            return forbidden("a backup holds everybody's values: an administrator's certificate is needed");
        }
        let Ok(place) = self.backups.clone().try_acquire_owned() else {
            metering::refused("backups");
            let what =
                format!("{} backups are handed out, the most at a time: wait for one", limits::BACKUPS);
            return Err(Failure::Full { what });
        };
        self.parts.renewals.confirm().await?;
        let (index, membership, state) = self.parts.replica.whole();
        let cluster = self.parts.identity.cluster.clone();
        let members = membership.membership().nodes().map(|(id, node)| (*id, node.addr.clone())).collect();
        // Away from the threads that answer heartbeats: a large state takes a while.
        let encoded = tokio::task::spawn_blocking(move || {
            let state = state.encode().map_err(std::io::Error::other)?.into();
            Contents { cluster, index, members, state }.encode()
        });
        let bytes = encoded.await.map_err(fatal)?.map_err(fatal)?;
        tracing::info!(caller = %caller.origin, index, bytes = bytes.len(), "handing out a backup");
        let length = bytes.len() as u64;
        let parts = stream::unfold((bytes, place), move |(mut rest, place)| async move {
            let part = (!rest.is_empty()).then(|| rest.split_to(PART.min(rest.len())))?;
            Some((Item::Backup { length, part }, (rest, place)))
        });
        Ok(parts.boxed())
    }
}
