//! What an administrator sees and does, with a session that is not the one under test.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, anyhow};
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Error, Permission};

use super::{Zk, wire};
use crate::record::Record;

/// A paused server accepts connections and says nothing: then the next one is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// An administrator's session at one of the servers, past every proxy.
///
/// It is bound to the server that answered first; take a new one after that server was killed or paused.
pub struct ZkAdmin {
    client: Client,
    server: SocketAddr,
    digest: Option<String>,
}

impl Zk {
    /// Connects as an administrator to the first server that answers.
    ///
    /// # Errors
    ///
    /// When none does.
    pub async fn admin(&self) -> Result<ZkAdmin> {
        self.admin_with(None).await
    }

    /// The same, authenticated with the `digest` scheme.
    ///
    /// # Errors
    ///
    /// When no server answers.
    pub async fn admin_as(&self, user: &str, password: &str) -> Result<ZkAdmin> {
        self.admin_with(Some(format!("{user}:{password}"))).await
    }

    async fn admin_with(&self, digest: Option<String>) -> Result<ZkAdmin> {
        let mut failure = anyhow!("there is no server");
        for i in 0..self.nodes() {
            let server = self.address(i);
            let mut connector = Client::connector()
                .with_session_timeout(self.options().maximum_session())
                .with_connection_timeout(ANSWER_WITHIN)
                .with_fail_eagerly();
            if let Some(digest) = &digest {
                connector = connector.with_auth("digest", digest.as_bytes());
            }
            match connector.connect(&server.to_string()).await {
                Ok(client) => return Ok(ZkAdmin { client, server, digest }),
                Err(error) => failure = anyhow!(error).context(format!("ZooKeeper at {server}")),
            }
        }
        Err(failure)
    }
}

impl ZkAdmin {
    /// The children of `path` (for an election: `<root>/<election>`), in the order of their creation; none when the
    /// path does not exist.
    ///
    /// # Errors
    ///
    /// When the server does not answer; so do all methods.
    pub async fn records(&self, path: &str) -> Result<Vec<Record>> {
        self.synchronise(path).await?;
        let mut records = Vec::new();
        for child in absent_as_default(self.client.list_children(path).await)? {
            let key = format!("{path}/{child}");
            // It may have gone since the list was made.
            if let Some((value, stat)) = absent_as_default(self.client.get_data(&key).await.map(Some))? {
                records.push(Record { key, value, session: stat.ephemeral_owner, order: stat.czxid });
            }
        }
        records.sort_by_key(|record| record.order);
        Ok(records)
    }

    /// Creates a persistent znode, and its parents where they are missing.
    ///
    /// # Errors
    ///
    /// When it exists.
    pub async fn create(&self, path: &str, value: &[u8]) -> Result<()> {
        if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            self.client.mkdir(parent, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
        }
        self.client.create(path, value, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
        Ok(())
    }

    /// Deletes one znode behind its owner's back; true when there was one.
    ///
    /// # Errors
    ///
    /// When it has children.
    pub async fn delete(&self, path: &str) -> Result<bool> {
        match self.client.delete(path, None).await {
            Ok(()) => Ok(true),
            Err(Error::NoNode) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("deleting {path}")),
        }
    }

    /// Deletes a znode and all below it. Znodes that others create meanwhile are deleted too.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn delete_all(&self, path: &str) -> Result<()> {
        loop {
            self.synchronise(path).await?;
            let mut below = vec![path.to_owned()];
            let mut at = 0;
            while at < below.len() {
                let children = absent_as_default(self.client.list_children(&below[at]).await)?;
                below.extend(
                    children.iter().map(|child| format!("{}/{child}", below[at])).collect::<Vec<_>>(),
                );
                at += 1;
            }
            let mut raced = false;
            for path in below.iter().rev() {
                match self.client.delete(path, None).await {
                    Ok(()) | Err(Error::NoNode) => {}
                    Err(Error::NotEmpty) => raced = true,
                    Err(error) => return Err(error).with_context(|| format!("deleting {path}")),
                }
            }
            if !raced {
                return Ok(());
            }
        }
    }

    /// Ends a session ([`Record::session`]) as if it had expired: its records vanish, its owner is told when it
    /// reconnects.
    ///
    /// # Errors
    ///
    /// When it has ended already.
    pub async fn expire(&self, session: i64) -> Result<()> {
        wire::close_session(self.server, session, self.digest.as_deref()).await
    }

    /// Gives the znode to the users that this session authenticated as, and to nobody else.
    ///
    /// # Errors
    ///
    /// When the session has not authenticated, or the znode does not exist.
    pub async fn protect(&self, path: &str) -> Result<()> {
        let acl = [Acl::new(Permission::ALL, AuthId::authed())];
        self.client.set_acl(path, &acl, None).await.with_context(|| format!("protecting {path}"))?;
        Ok(())
    }

    /// The client itself, for what is not here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A read may lag behind a write that was confirmed at another server.
    async fn synchronise(&self, path: &str) -> Result<()> {
        Ok(self.client.sync(path).await?)
    }
}

fn absent_as_default<T: Default>(answer: Result<T, Error>) -> Result<T> {
    match answer {
        Ok(value) => Ok(value),
        Err(Error::NoNode) => Ok(T::default()),
        Err(error) => Err(error.into()),
    }
}
