//! One reading of the certificate files.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Identity;
use crate::transport::TlsFiles;
use crate::types::NodeId;

/// A certificate and those that lead from it to an authority.
pub(crate) type Chain = Vec<CertificateDer<'static>>;

/// The contents of the files. No `Debug`: one of them is secret.
pub(super) struct Contents {
    pub(super) ca: Vec<u8>,
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, String> {
        let read = |what: &str, path: &Path| {
            std::fs::read(path)
                .map_err(|error| format!("{what} is {}: cannot be read: {error}", path.display()))
        };
        Ok(Self {
            ca: read("ca", &files.ca)?,
            cert: read("cert", &files.cert)?,
            key: read("key", &files.key)?,
        })
    }
}

/// What this process shows, and whom it believes.
pub(crate) struct Keys {
    /// What this process's own certificate says.
    pub(crate) own: Identity,
    cluster: String,
    chain: Chain,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    of_servers: Arc<WebPkiServerVerifier>,
    of_clients: Arc<dyn ClientCertVerifier>,
}

impl Keys {
    /// Makes sense of the files' contents, and makes sure that this process would accept itself: whoever
    /// starts it hears of a wrong certificate at once, and not from the other members' logs.
    pub(super) fn new(
        contents: &Contents,
        files: &TlsFiles,
        cluster: &str,
        node: Option<NodeId>,
    ) -> Result<Self, String> {
        let wrong = |what: &'static str, path: &Path| {
            let path = path.display().to_string();
            move |why: &dyn std::fmt::Display| format!("{what} is {path}: {why}")
        };
        let (ca, cert, key) = (wrong("ca", &files.ca), wrong("cert", &files.cert), wrong("key", &files.key));
        let mut roots = RootCertStore::empty();
        for authority in certificates(&contents.ca).map_err(|why| ca(&why))? {
            roots.add(authority).map_err(|why| ca(&why))?;
        }
        let chain = certificates(&contents.cert).map_err(|why| cert(&why))?;
        let secret = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|why| key(&format_args!("not a private key in PEM form: {why}")))?;

        let roots = Arc::new(roots);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let of_servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|why| ca(&why))?;
        let of_clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|why| ca(&why))?;
        // The error of the two that follow is that the key is not the certificate's.
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|why| why.to_string())?
            .with_webpki_verifier(of_servers.clone())
            .with_client_auth_cert(chain.clone(), secret.clone_key())
            .map_err(|why| key(&why))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|why| why.to_string())?
            .with_client_cert_verifier(of_clients.clone())
            .with_single_cert(chain.clone(), secret)
            .map_err(|why| key(&why))?;
        // A resumed session skips the certificates.
        client.resumption = Resumption::disabled();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let own = own_identity(&chain[0], cluster, node).map_err(|why| cert(&why))?;
        let keys = Self {
            own,
            cluster: cluster.into(),
            chain,
            client: Arc::new(client),
            server: Arc::new(server),
            of_servers,
            of_clients,
        };
        let now = UnixTime::now();
        keys.check_caller(&keys.chain, now).map_err(|why| cert(&why))?;
        if let Some(node) = node {
            keys.check_node(&keys.chain, node, now).map_err(|why| cert(&why))?;
        }
        Ok(keys)
    }

    /// Calls a node: what opens the handshake, and the name that the other end must show.
    pub(crate) fn connector(&self, node: NodeId) -> Result<(TlsConnector, ServerName<'static>), String> {
        Ok((TlsConnector::from(self.client.clone()), self.server_name(node)?))
    }

    /// Answers a caller.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.server.clone())
    }

    fn server_name(&self, node: NodeId) -> Result<ServerName<'static>, String> {
        let name = Identity::Node(node).name(&self.cluster);
        ServerName::try_from(name.clone()).map_err(|_| format!("{name:?} is no DNS name"))
    }

    /// Whether this chain is still a reason to trust a connection to `node` at the moment `at`.
    pub(crate) fn check_node(
        &self,
        chain: &[CertificateDer<'_>],
        node: NodeId,
        at: UnixTime,
    ) -> Result<(), String> {
        let [certificate, between @ ..] = chain else { return Err("there is no certificate".into()) };
        self.of_servers
            .verify_server_cert(certificate, between, &self.server_name(node)?, &[], at)
            .map_err(|error| error.to_string())?;
        // The check above lets a wildcard pass.
        match Identity::of(certificate, &self.cluster) {
            Ok(Identity::Node(found)) if found == node => Ok(()),
            Ok(other) => Err(format!("it is for {}", other.name(&self.cluster))),
            Err(shown) => Err(format!("it is for {shown}")),
        }
    }

    /// Whether this chain is still a reason to believe a caller at the moment `at`.
    pub(crate) fn check_caller(&self, chain: &[CertificateDer<'_>], at: UnixTime) -> Result<(), String> {
        let [certificate, between @ ..] = chain else { return Err("there is no certificate".into()) };
        let verified = self.of_clients.verify_client_cert(certificate, between, at);
        verified.map(drop).map_err(|error| error.to_string())
    }

    /// What this process itself shows to others.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The identity in a caller's certificate, or what is in there instead.
    pub(crate) fn identify(&self, certificate: &CertificateDer<'_>) -> Result<Identity, String> {
        Identity::of(certificate, &self.cluster)
    }
}

fn certificates(pem: &[u8]) -> Result<Chain, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Chain, _>>();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err("it holds no certificate in PEM form".into()),
        Err(error) => Err(format!("it holds no certificates in PEM form: {error}")),
    }
}

fn own_identity(
    certificate: &CertificateDer<'_>,
    cluster: &str,
    node: Option<NodeId>,
) -> Result<Identity, String> {
    let found = Identity::of(certificate, cluster);
    let needed = match (node, &found) {
        (None, Ok(_)) => return found,
        (Some(node), Ok(Identity::Node(own))) if *own == node => return found,
        (Some(node), _) => Identity::Node(node).name(cluster),
        (None, Err(_)) => format!("NAME.client.{cluster}"),
    };
    let shown = found.map_or_else(|shown| shown, |identity| identity.name(cluster));
    Err(format!(
        "its names are {shown}, and this process needs {needed}: issue a certificate with exactly one name of \
         this cluster among its DNS names"
    ))
}
