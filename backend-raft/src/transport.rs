//! How what is sent is protected.

use std::path::PathBuf;
use std::sync::Arc;

use election_core::{Error, Kind, Operation, Result};

use crate::config::{RaftConfig, invalid};
use crate::error::BACKEND;
use crate::network::{Credentials, Security};

/// How a process talks to the members, and a member to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Transport {
    /// Not encrypted, and only between processes of one machine: every address must be a loopback address.
    /// The default.
    #[default]
    Loopback,
    /// Not encrypted, wherever it goes (`plaintext=yes`). Whoever reaches a member's port can read
    /// everything, vote, and end any leadership: only for a network that keeps strangers out by itself. A
    /// warning is logged.
    Plaintext,
    /// TLS 1.3 with certificates at both ends (`rafts://`).
    Tls(TlsFiles),
}

/// The files that TLS needs, in PEM form. They are read again while the process runs: replace them, each by
/// a rename, and the new ones are in use within seconds, without a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates of the authorities that sign the certificates of members and clients. It should be an
    /// authority of this group alone.
    pub ca: PathBuf,
    /// This process's certificate, followed by those between it and the authority, if any.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl RaftConfig {
    /// The same over TLS.
    #[must_use]
    pub fn with_tls(
        mut self,
        ca: impl Into<PathBuf>,
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.transport = Transport::Tls(TlsFiles { ca: ca.into(), cert: cert.into(), key: key.into() });
        self
    }

    /// The same without encryption, wherever the members are: see [`Transport::Plaintext`].
    #[must_use]
    pub fn with_plaintext(mut self) -> Self {
        self.transport = Transport::Plaintext;
        self
    }

    /// The first address that is not on loopback.
    fn exposed(&self) -> Option<&String> {
        let listen = self.node.iter().filter_map(|node| node.listen.as_ref());
        let bare = |address: &str| address.rsplit('@').next().is_some_and(is_loopback);
        self.members.iter().chain(listen).find(|address| !bare(address))
    }

    /// Refuses a transport that does not fit the rest.
    pub(crate) fn validate_transport(&self) -> Result<()> {
        match &self.transport {
            Transport::Loopback => match self.exposed() {
                None => Ok(()),
                Some(address) => invalid(format!(
                    "{address:?} is not a loopback address, and raft:// does not encrypt: give \
                     rafts://…?ca=FILE&cert=FILE&key=FILE, or plaintext=yes if the network keeps strangers out"
                )),
            },
            Transport::Plaintext => Ok(()),
            Transport::Tls(files) => {
                for (name, file) in [("ca", &files.ca), ("cert", &files.cert), ("key", &files.key)] {
                    if file.as_os_str().is_empty() {
                        return invalid(format!(
                            "{name} is missing: rafts:// needs {name}=FILE, in PEM form"
                        ));
                    }
                }
                let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                let cluster = &self.cluster;
                if cluster.len() > 63
                    || !cluster.chars().all(label)
                    || cluster.starts_with('-')
                    || cluster.ends_with('-')
                {
                    return invalid(format!(
                        "cluster is {cluster:?}: with TLS it is a part of the names in certificates; give 1 to \
                         63 of a-z, 0-9 and '-'"
                    ));
                }
                Ok(())
            }
        }
    }

    /// What the transport needs to work, read from the files. Warns if nothing is protected.
    pub(crate) fn security(&self) -> Result<Security> {
        let Transport::Tls(files) = &self.transport else {
            if let Some(address) = self.exposed() {
                tracing::warn!(
                    %address,
                    "PLAINTEXT: nothing between this process and the group is encrypted, and whoever reaches \
                     the members' ports can end any leadership; use rafts:// unless the network keeps strangers \
                     out"
                );
            }
            return Ok(Security::Plaintext);
        };
        let node = self.node.as_ref().map(|node| node.id);
        let credentials = Credentials::load(files.clone(), &self.cluster, node).map_err(|why| {
            Error::new(Kind::InvalidConfig, Operation::Connect).backend(BACKEND).message(why)
        })?;
        Ok(Security::Tls(Arc::new(credentials)))
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // A name may lead anywhere; this one may not (RFC 6761).
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
