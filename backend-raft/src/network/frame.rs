//! Frames: reading them with a bound, writing those that are ready in one go.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use postcard::ser_flavors::Size;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec, LengthDelimitedCodecError};

use super::limits::{BACKLOG, GATHERED, STALLED};

/// Reads frames of a bounded length.
pub(crate) struct FrameReader<R>(FramedRead<R, LengthDelimitedCodec>);

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader that refuses longer frames than `max` without reading them.
    pub(crate) fn new(io: R, max: usize) -> Self {
        Self(FramedRead::new(io, LengthDelimitedCodec::builder().max_frame_length(max).new_codec()))
    }

    /// Changes the bound for the frames to come.
    pub(crate) fn set_max(&mut self, max: usize) {
        self.0.decoder_mut().set_max_frame_length(max);
    }

    /// The next frame; `None` at the end of the connection, an error if none is complete within `patience`.
    pub(crate) async fn next_frame(&mut self, patience: Duration) -> io::Result<Option<BytesMut>> {
        let frame = tokio::time::timeout(patience, self.0.next())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the other side has fallen silent"))?;
        frame.transpose().map_err(|error| {
            match error.get_ref().is_some_and(|inner| inner.is::<LengthDelimitedCodecError>()) {
                true => {
                    invalid(format!("a message of more than {} bytes", self.0.decoder().max_frame_length()))
                }
                false => error,
            }
        })
    }

    /// The next message; `None` at the end of the connection, an error if none is complete within `patience`.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self, patience: Duration) -> io::Result<Option<T>> {
        self.next_frame(patience).await?.as_deref().map(decode).transpose()
    }
}

/// The other end sent what it must not.
pub(crate) fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Decodes a message.
pub(crate) fn decode<T: DeserializeOwned>(frame: &[u8]) -> io::Result<T> {
    postcard::from_bytes(frame).map_err(|error| invalid(format!("bytes that are no message: {error}")))
}

/// Decodes what a message begins with.
pub(crate) fn decode_first<T: DeserializeOwned>(frame: &[u8]) -> io::Result<T> {
    let first = postcard::take_from_bytes(frame).map(|(first, _)| first);
    first.map_err(|error| invalid(format!("bytes that are no message: {error}")))
}

/// What every frame begins with: how long the rest is.
const HEADER: usize = size_of::<u32>();

/// How long the frame of a message is.
pub(crate) fn length(message: &impl Serialize) -> io::Result<usize> {
    let length = postcard::serialize_with_flavor(message, Size::default()).map_err(io::Error::other)?;
    Ok(HEADER + length)
}

/// Encodes a message as a frame.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Bytes> {
    let length = length(message)?;
    let mut frame = BytesMut::with_capacity(length);
    frame.put_u32(u32::try_from(length - HEADER).map_err(io::Error::other)?);
    let frame = postcard::to_extend(message, Extend(frame)).map_err(io::Error::other)?;
    Ok(frame.0.freeze())
}

/// Lets postcard write into [`BytesMut`].
struct Extend(BytesMut);

impl std::iter::Extend<u8> for Extend {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

/// Writes a message at once; for greetings.
pub(crate) async fn write_now<W: AsyncWrite + Unpin>(io: &mut W, message: &impl Serialize) -> io::Result<()> {
    io.write_all(&encode(message)?).await?;
    io.flush().await
}

/// Writes frames until `frames` is closed. Those that are ready leave together, [`GATHERED`] bytes in one write; a longer
/// one is written as it is. With `idle`, sends that frame whenever nothing else was sent for so long.
pub(crate) async fn write_all<W: AsyncWrite + Unpin>(
    mut io: W,
    mut frames: mpsc::Receiver<impl AsRef<[u8]>>,
    idle: Option<(Duration, Bytes)>,
) -> io::Result<()> {
    let mut ready = Vec::new();
    let mut gathered = Vec::new();
    loop {
        let received = match &idle {
            None => frames.recv_many(&mut ready, BACKLOG).await,
            Some((after, frame)) => {
                match tokio::time::timeout(*after, frames.recv_many(&mut ready, BACKLOG)).await {
                    Ok(received) => received,
                    Err(_) => {
                        write(&mut io, frame).await?;
                        continue;
                    }
                }
            }
        };
        if received == 0 {
            return io.shutdown().await;
        }
        for frame in ready.drain(..) {
            let bytes = frame.as_ref();
            if gathered.len() + bytes.len() > GATHERED {
                write(&mut io, &gathered).await?;
                gathered.clear();
            }
            if bytes.len() > GATHERED {
                write(&mut io, bytes).await?;
            } else {
                gathered.extend_from_slice(bytes);
            }
        }
        write(&mut io, &gathered).await?;
        gathered.clear();
    }
}

/// Writes bytes, if there are any, unless the other end takes none.
async fn write<W: AsyncWrite + Unpin>(io: &mut W, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let written = async {
        io.write_all(bytes).await?;
        // TLS keeps what the socket did not take at once.
        io.flush().await
    };
    tokio::time::timeout(STALLED, written).await.map_err(|_| {
        io::Error::new(io::ErrorKind::TimedOut, "the other side takes nothing of what is sent to it")
    })?
}
