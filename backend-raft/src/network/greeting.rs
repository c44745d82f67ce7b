//! The first moments of a connection that was accepted: is it encrypted, who calls, may it come in?

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::caller::{Caller, Origin};
use super::door::Place;
use super::frame::{self, FrameReader};
use super::refusal::Refused;
use super::server::{Entrance, Handler};
use super::tls::{Credentials, Held, Whose};
use super::wire::{Greeting, Hello, MAGIC, VERSION, Welcome};

/// What TLS begins with. A greeting of ours begins with the length of a short message: with zero.
const TLS_RECORD: u8 = 0x16;
/// How long a caller that was turned away is given to read why.
const FAREWELL: Duration = Duration::from_millis(500);

/// What is known of a caller before it has said a word.
pub(crate) struct Proof {
    /// By what it is known; or what its certificate shows instead of an identity in this group.
    pub(crate) origin: Result<Origin, String>,
    /// Its certificates.
    pub(crate) held: Option<Held>,
}

impl Proof {
    /// Of a connection without encryption.
    pub(crate) fn address(from: IpAddr) -> Self {
        Self { origin: Ok(Origin::address(from)), held: None }
    }
}

/// The first byte, which is left where it is.
async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up without a word")),
        _ => Ok(first[0]),
    }
}

/// Makes sure that whoever is to be greeted without encryption does not begin with it.
pub(super) async fn expect_plaintext(mut stream: TcpStream) -> io::Result<TcpStream> {
    if first_byte(&stream).await? != TLS_RECORD {
        return Ok(stream);
    }
    // It cannot read this, but it notices that it is not TLS.
    let why = "this node does not speak TLS".into();
    turn_away(&mut stream, &Err(Refused::Unable { why })).await?;
    Err(frame::invalid("it begins with TLS, and this node was started without (raft://)".into()))
}

/// Does the handshake, and says what the caller has shown.
pub(super) async fn expect_tls(
    mut stream: TcpStream,
    credentials: &Arc<Credentials>,
) -> io::Result<(TlsStream<TcpStream>, Proof)> {
    if first_byte(&stream).await? != TLS_RECORD {
        turn_away(&mut stream, &Err(Refused::Plaintext)).await?;
        return Err(frame::invalid(
            "it begins without TLS, and this node was started with (rafts://)".into(),
        ));
    }
    let keys = credentials.current().await;
    let stream = keys.acceptor().accept(stream).await?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    let origin = match chain.first() {
        Some(certificate) => keys.identify(certificate).map(Origin::Certificate),
        None => Err("nobody".into()),
    };
    let held = Some(Held::new(credentials.clone(), keys, chain, Whose::Caller));
    Ok((stream, Proof { origin, held }))
}

/// Says why not, and waits a moment for it to be read: to close at once would take the words back.
async fn turn_away<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut IO, greeting: &Greeting) -> io::Result<()> {
    frame::write_now(io, greeting).await?;
    io.shutdown().await?;
    let mut rest = [0; 1024];
    let read = async { while matches!(io.read(&mut rest).await, Ok(1..)) {} };
    tokio::time::timeout(FAREWELL, read).await.ok();
    Ok(())
}

/// Hears the greeting and answers it.
pub(super) async fn hear<R, W, H>(
    reader: &mut FrameReader<R>,
    write: &mut W,
    origin: &Result<Origin, String>,
    entrance: &Entrance<H>,
) -> io::Result<Option<(Place, Caller)>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    H: Handler,
{
    let Some(frame) = reader.next_frame(super::limits::GREETING).await? else { return Ok(None) };
    // The version first: another one may have another greeting.
    let (magic, version) = frame::decode_first::<(u32, u16)>(&frame)?;
    if magic != MAGIC {
        return Err(frame::invalid("bytes of another protocol".into()));
    }
    let admitted = match version {
        VERSION => admit(&frame::decode(&frame)?, origin, entrance).await,
        _ => Err(Refused::Version { theirs: VERSION }),
    };
    let welcome = Welcome { incarnation: entrance.handler.incarnation() };
    let greeting: Greeting = admitted.as_ref().map(|_| welcome).map_err(Clone::clone);
    frame::write_now(write, &greeting).await?;
    match admitted {
        Ok(admitted) => Ok(Some(admitted)),
        Err(refused) => {
            // As for a farewell; what it says meanwhile is not listened to.
            write.shutdown().await?;
            tokio::time::timeout(FAREWELL, reader.next_frame(FAREWELL)).await.ok();
            Err(io::Error::new(io::ErrorKind::PermissionDenied, refused.to_string()))
        }
    }
}

async fn admit<H: Handler>(
    hello: &Hello,
    origin: &Result<Origin, String>,
    entrance: &Entrance<H>,
) -> Result<(Place, Caller), Refused> {
    let origin = entrance.handler.greet(hello, origin).await?;
    entrance.door.admit(hello.sender, origin)
}
