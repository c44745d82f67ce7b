//! A certificate authority for one test, with a server's and a client's certificate.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::work_dir::WorkDir;

/// PEM files of one authority: its own certificate, one for servers on loopback and one for a client.
///
/// Two values share nothing: the second one's client is a stranger to the first one's server.
#[derive(Clone, Debug)]
pub struct Certificates {
    folder: Arc<WorkDir>,
}

impl Certificates {
    /// Makes a new authority and its certificates; `client` becomes the common name of the client's, which etcd takes
    /// for a user name when its authentication is on.
    ///
    /// # Errors
    ///
    /// When the files cannot be written.
    pub fn new(client: &str) -> Result<Self> {
        let folder = WorkDir::new("tls-")?;
        let issuer = authority(folder.path())?;
        // etcd's gateway dials the server's own port with the server's certificate, hence both usages.
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        issue(folder.path(), "server", "localhost", &LOOPBACK, &both, &issuer)?;
        issue(folder.path(), "client", client, &LOOPBACK, &both[1..], &issuer)?;
        Ok(Self { folder: Arc::new(folder) })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The server's certificate, for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn server_certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The server's key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// The client's certificate.
    #[must_use]
    pub fn client_certificate(&self) -> PathBuf {
        self.folder.path().join("client.pem")
    }

    /// The client's key.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.folder.path().join("client.key")
    }

    /// The server's certificate and key in one file, as ZooKeeper's PEM key store wants them.
    pub(crate) fn server_store(&self) -> PathBuf {
        self.folder.path().join("server-store.pem")
    }
}

/// The names of a server on loopback.
const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

/// Makes an authority and writes its certificate to `ca.pem`.
pub(crate) fn authority(folder: &Path) -> Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "testkit authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    Ok(Issuer::new(params, key))
}

/// Writes `<name>.pem`, `<name>.key` and both in `<name>-store.pem`.
pub(crate) fn issue(
    folder: &Path,
    name: &str,
    common_name: &str,
    alternatives: &[&str],
    usages: &[ExtendedKeyUsagePurpose],
    issuer: &Issuer<'_, KeyPair>,
) -> Result<()> {
    let mut params =
        CertificateParams::new(alternatives.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = usages.to_vec();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?.pem();
    fs::write(folder.join(format!("{name}.pem")), &certificate)?;
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
    fs::write(folder.join(format!("{name}-store.pem")), key.serialize_pem() + &certificate)?;
    Ok(())
}
