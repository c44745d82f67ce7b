//! Taking a backup from a group that works.

use std::path::Path;

use bytes::BytesMut;
use election_core::{Error, Kind, Operation, Result};

use super::contents::{self, Backup};
use crate::admin::RaftAdmin;
use crate::error::{self, BACKEND};
use crate::network::{Item, Request};

impl RaftAdmin {
    /// Takes a backup of the group, as of now, and writes it to the file `path`; a file of that name is replaced when
    /// the new one is on disk. The group goes on meanwhile; nothing is stopped or delayed.
    ///
    /// The Raft leader answers, after a quorum has confirmed it: whatever was acknowledged before the call is in it.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout` if the group does not answer, or the connection breaks before all of it is there;
    /// `PermissionDenied` if this process's certificate is a client's; else the file cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the file that was there, if any, as it was.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<Backup> {
        let path = path.as_ref();
        let bytes = self.fetch().await?;
        let backup = Backup::decode(path, &bytes)?;
        let file = path.to_path_buf();
        let written = tokio::task::spawn_blocking(move || contents::write(&file, &bytes)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|error| contents::io_error(path, &error))?;
        Ok(backup)
    }

    async fn fetch(&self) -> Result<BytesMut> {
        let opened = self.group.stream(Request::Backup, self.patience).await;
        let mut items = opened.map_err(|failed| error::group(&failed, Operation::Connect))?;
        let mut bytes = BytesMut::new();
        loop {
            let next = tokio::time::timeout(self.patience, items.next()).await;
            let (length, part) = match next {
                Ok(Some(Item::Backup { length, part })) => (length, part),
                Ok(Some(other)) => return Err(error::unexpected(Operation::Connect, other)),
                Ok(None) | Err(_) => {
                    let message = format!("the backup ended after {} bytes: take another one", bytes.len());
                    return Err(Error::new(Kind::Unavailable, Operation::Connect)
                        .backend(BACKEND)
                        .message(message));
                }
            };
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 >= length {
                return Ok(bytes);
            }
        }
    }
}
