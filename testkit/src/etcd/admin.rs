//! What an administrator sees and does, with a client that shares no code with the backend under test.

use std::{fs, time::Duration};

use anyhow::{Context, Result, anyhow};
use etcd_client::{
    Certificate, Client, CompactionOptions, ConnectOptions, DeleteOptions, GetOptions, Identity, Permission,
    SortOrder, SortTarget, TlsOptions,
};
use tokio::time::timeout;

use super::Etcd;
use crate::{record::Record, tls::Certificates};

/// A paused server accepts connections and says nothing: then the next one is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// An administrator's connection to one of the servers, past every proxy.
///
/// It is bound to the server that answered first; take a new one after that server was killed or paused.
#[derive(Clone)]
pub struct EtcdAdmin {
    client: Client,
}

impl Etcd {
    /// Connects as an administrator to the first server that answers.
    ///
    /// # Errors
    ///
    /// When none does.
    pub async fn admin(&self) -> Result<EtcdAdmin> {
        self.admin_with(ConnectOptions::new()).await
    }

    /// The same once [`EtcdAdmin::enable_auth`] has locked the door.
    ///
    /// # Errors
    ///
    /// When no server answers, or they refuse the password.
    pub async fn admin_as(&self, user: &str, password: &str) -> Result<EtcdAdmin> {
        self.admin_with(ConnectOptions::new().with_user(user, password)).await
    }

    async fn admin_with(&self, options: ConnectOptions) -> Result<EtcdAdmin> {
        let mut options = options.with_timeout(ANSWER_WITHIN).with_connect_timeout(ANSWER_WITHIN);
        let mut scheme = "http";
        if let Some(certificates) = self.certificates() {
            options = options.with_tls(client_tls(certificates)?);
            scheme = "https";
        }
        let mut failure = anyhow!("there is no server");
        for endpoint in self.endpoints() {
            let attempt = connect(format!("{scheme}://{endpoint}"), options.clone());
            match timeout(ANSWER_WITHIN, attempt).await.map_err(anyhow::Error::from).flatten() {
                Ok(client) => return Ok(EtcdAdmin { client }),
                Err(error) => failure = error.context(format!("etcd at {endpoint}")),
            }
        }
        Err(failure)
    }
}

/// A connection is made lazily, so a read has to show that the server answers.
async fn connect(url: String, options: ConnectOptions) -> Result<Client> {
    let client = Client::connect([url], Some(options)).await?;
    client.kv_client().get("testkit", Some(GetOptions::new().with_count_only())).await?;
    Ok(client)
}

fn client_tls(certificates: &Certificates) -> Result<TlsOptions> {
    let identity = Identity::from_pem(
        fs::read(certificates.client_certificate())?,
        fs::read(certificates.client_key())?,
    );
    let authority = Certificate::from_pem(fs::read(certificates.authority())?);
    Ok(TlsOptions::new().ca_certificate(authority).identity(identity))
}

impl EtcdAdmin {
    /// The records under `prefix` (for an election: `<root>/<election>/`), in the order of the queue.
    ///
    /// # Errors
    ///
    /// When the server does not answer; so do all methods.
    pub async fn records(&self, prefix: &str) -> Result<Vec<Record>> {
        let options = GetOptions::new().with_prefix().with_sort(SortTarget::Create, SortOrder::Ascend);
        let answer = self.client.kv_client().get(prefix, Some(options)).await?;
        let record = |pair: &etcd_client::KeyValue| Record {
            key: String::from_utf8_lossy(pair.key()).into_owned(),
            value: pair.value().to_vec(),
            session: pair.lease(),
            order: pair.create_revision(),
        };
        Ok(answer.kvs().iter().map(record).collect())
    }

    /// Writes a record that no lease holds.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.client.kv_client().put(key, value, None).await?;
        Ok(())
    }

    /// Deletes one record behind its owner's back; true when there was one.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        Ok(self.client.kv_client().delete(key, None).await?.deleted() > 0)
    }

    /// Deletes everything under `prefix` and says how much there was.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn delete_all(&self, prefix: &str) -> Result<i64> {
        let options = DeleteOptions::new().with_prefix();
        Ok(self.client.kv_client().delete(prefix, Some(options)).await?.deleted())
    }

    /// The leases that live.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn leases(&self) -> Result<Vec<i64>> {
        let answer = self.client.lease_client().leases().await?;
        Ok(answer.leases().iter().map(etcd_client::LeaseStatus::id).collect())
    }

    /// Revokes a lease, and with it every record it holds.
    ///
    /// # Errors
    ///
    /// When there is no such lease.
    pub async fn revoke(&self, lease: i64) -> Result<()> {
        self.client.lease_client().revoke(lease).await?;
        Ok(())
    }

    /// The present revision of the store.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn revision(&self) -> Result<i64> {
        let answer =
            self.client.kv_client().get("testkit", Some(GetOptions::new().with_count_only())).await?;
        Ok(answer.header().context("an answer without a header")?.revision())
    }

    /// Forgets the store's history up to now, so that a watch from an older revision is cancelled by the server.
    ///
    /// # Errors
    ///
    /// When nothing was written since the last compaction.
    pub async fn compact(&self) -> Result<i64> {
        let revision = self.revision().await?;
        let options = CompactionOptions::new().with_physical();
        self.client.kv_client().compact(revision, Some(options)).await?;
        Ok(revision)
    }

    /// Adds a user who may read and write what is under `prefix` and nothing else.
    ///
    /// # Errors
    ///
    /// When the user exists.
    pub async fn add_user(&self, name: &str, password: &str, prefix: &str) -> Result<()> {
        let mut auth = self.client.auth_client();
        auth.user_add(name, password, None).await?;
        auth.role_add(name).await?;
        auth.role_grant_permission(name, Permission::read_write(prefix).with_prefix()).await?;
        auth.user_grant_role(name, name).await?;
        Ok(())
    }

    /// Creates the user `root` and turns authentication on. This connection is refused from then on: go on with
    /// [`Etcd::admin_as`].
    ///
    /// # Errors
    ///
    /// When it is on already.
    pub async fn enable_auth(&self, root_password: &str) -> Result<()> {
        let mut auth = self.client.auth_client();
        auth.user_add("root", root_password, None).await?;
        auth.role_add("root").await?;
        auth.user_grant_role("root", "root").await?;
        auth.auth_enable().await?;
        Ok(())
    }
}
