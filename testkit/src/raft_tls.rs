//! Certificates for a Raft group: one for each member, one for clients, one for an administrator.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use rcgen::ExtendedKeyUsagePurpose;

use crate::{
    tls::{authority, issue},
    work_dir::WorkDir,
};

/// PEM files of an authority that signs for one group, whose name is the usual one: `election`.
#[derive(Clone, Debug)]
pub struct RaftCertificates(Arc<WorkDir>);

impl RaftCertificates {
    /// An authority, and certificates for so many members.
    ///
    /// # Errors
    ///
    /// When the files cannot be written.
    pub fn new(members: usize) -> Result<Self> {
        let folder = WorkDir::new("raft-tls-")?;
        let issuer = authority(folder.path())?;
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let nodes = (1..=members).map(|id| (format!("node-{id}"), format!("node-{id}.election")));
        let others = ["client", "admin"].map(|who| (who.to_owned(), format!("testkit.{who}.election")));
        for (file, name) in nodes.chain(others) {
            issue(folder.path(), &file, &name, &[&name], &both, &issuer)?;
        }
        Ok(Self(Arc::new(folder)))
    }

    /// The folder of the files: `ca.pem`, and `NAME.pem` and `NAME.key` of `node-1`, …, `client` and `admin`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The parameters of a URL with the files of `who`.
    #[must_use]
    pub fn query(&self, who: &str) -> String {
        let folder = self.folder().display();
        format!("ca={folder}/ca.pem&cert={folder}/{who}.pem&key={folder}/{who}.key")
    }
}
