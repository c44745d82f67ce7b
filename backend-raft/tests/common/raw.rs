//! A peer that speaks the protocol by hand, and wrongly if it wants to. Its own copy of the messages also pins
//! their encoding: it must change only together with the protocol's version.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::certificates::Files;

pub(crate) const MAGIC: u32 = 0x454c_5246;
pub(crate) const VERSION: u16 = 3;

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Sender {
    Member { id: u64, incarnation: u128 },
    Client,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Hello {
    pub(crate) magic: u32,
    pub(crate) version: u16,
    pub(crate) cluster: String,
    pub(crate) sender: Sender,
    pub(crate) target: u64,
}

impl Hello {
    pub(crate) fn new(sender: Sender, target: u64) -> Self {
        Self { magic: MAGIC, version: VERSION, cluster: "election".into(), sender, target }
    }
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Refused {
    Version { theirs: u16 },
    Cluster { theirs: String, ours: String },
    Node { theirs: u64, ours: u64 },
    Incarnation { id: u64 },
    Removed { id: u64, free: u64 },
    Unable { why: String },
    Plaintext,
    Identity { shown: String, claimed: String },
    Full { what: String },
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) incarnation: u128,
}

pub(crate) type Greeting = Result<Welcome, Refused>;

/// The requests, as far as they are needed; those before it only keep the place.
#[derive(Debug, Serialize)]
pub(crate) enum Request {
    Append,
    Vote,
    PreVote,
    Snapshot,
    Transfer,
    Open { key: u128, ttl_ms: u64 },
    Write,
    Administer,
    Renew { session: u64, key: u128 },
    Read { election: String },
    Queue,
    WatchSession,
    Observe { election: String },
}

#[derive(Debug, Serialize)]
pub(crate) enum Up {
    Call { id: u64, request: Request },
    Cancel,
    Ping,
}

/// What a node ends a connection with: the fifth of its messages.
#[derive(Debug, Deserialize)]
pub(crate) enum Down {
    Reply,
    Item,
    End,
    Pong,
    Bye { why: String },
}

/// A message with its length in front.
pub(crate) fn frame(message: &impl Serialize) -> Vec<u8> {
    let message = postcard::to_stdvec(message).unwrap();
    let mut frame = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(message);
    frame
}

/// Reads one message.
pub(crate) async fn read<T: DeserializeOwned>(io: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let bytes = read_frame(io).await?;
    postcard::take_from_bytes(&bytes).map(|(message, _)| message).map_err(io::Error::other)
}

/// Reads one frame.
pub(crate) async fn read_frame(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; io.read_u32().await? as usize];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Greets, and hears the answer.
pub(crate) async fn greet(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    hello: &Hello,
) -> io::Result<Greeting> {
    io.write_all(&frame(hello)).await?;
    io.flush().await?;
    read(io).await
}

/// Reads until the other end hangs up, and says for how long and what came last.
pub(crate) async fn until_it_hangs_up(io: &mut (impl AsyncRead + Unpin), within: Duration) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = async { io.read_to_end(&mut rest).await };
    assert!(tokio::time::timeout(within, read).await.is_ok(), "it does not hang up within {within:?}");
    rest
}

/// Connects from another loopback address, as another host would.
pub(crate) async fn connect_from(from: [u8; 4], to: &str) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::from(from), 0))?;
    socket.connect(to.parse().unwrap()).await
}

/// A TLS connection that shows `files`, if any, and wants to see a certificate for `name` signed by `ca`.
pub(crate) async fn tls(
    stream: TcpStream,
    ca: &Path,
    files: Option<&Files>,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match files {
        None => config.with_no_client_auth(),
        Some(files) => {
            let chain = CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect();
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap()).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}
