//! The listening end of a connection.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::channel::SILENCE;
use super::frame::{self, FrameReader};
use super::wire::{Down, Failure, Greeting, Hello, Item, Refused, Request, Response, Sender, Up};

/// How long a fresh connection may take to say who it is.
const GREETING: Duration = Duration::from_secs(2);
/// The most connections at once.
const MAX_CONNECTIONS: usize = 4096;
/// The most requests of one connection at once; further ones wait in its socket.
const MAX_REQUESTS: usize = 16 * 1024;

/// The items of a stream, as the handler produces them.
pub(crate) type ItemStream = BoxStream<'static, Item>;

/// What a handler answers.
pub(crate) enum Answer {
    /// One answer.
    Once(Result<Response, Failure>),
    /// A stream.
    Stream(ItemStream),
}

/// Who decides what is answered.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Whether to talk to whoever says `hello`.
    fn greet(&self, hello: &Hello) -> impl Future<Output = Greeting> + Send;

    /// Serves a request.
    fn handle(&self, sender: Sender, request: Request) -> impl Future<Output = Answer> + Send;
}

/// Accepts connections until `stop` is cancelled, then ends them all.
pub(crate) async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Taken before the accept, so that what is beyond the bound waits in the kernel's queue.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) => {
                stream.set_nodelay(true).ok();
                let handler = handler.clone();
                connections.spawn(async move {
                    let _place: OwnedSemaphorePermit = place;
                    if let Err(error) = connection(stream, handler).await {
                        tracing::debug!(%from, %error, "a connection ended");
                    }
                });
            }
            Err(error) => {
                // Too many open files, most likely: let some of them be closed.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves one connection until it ends.
pub(crate) async fn connection<IO, H>(io: IO, handler: Arc<H>) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler,
{
    let (read, mut write) = tokio::io::split(io);
    let mut reader = FrameReader::new(read, frame::MAX_HELLO);
    let Some(hello) = reader.next::<Hello>(GREETING).await? else { return Ok(()) };
    let greeting = greet(&*handler, &hello).await;
    frame::write_now(&mut write, &greeting).await?;
    if let Err(refused) = greeting {
        tracing::warn!(sender = ?hello.sender, %refused, "refused a connection");
        return Ok(());
    }
    reader.set_max(match hello.sender {
        Sender::Member { .. } => frame::MAX_MEMBER,
        Sender::Client => frame::MAX_CLIENT,
    });
    let (frames, outgoing) = mpsc::channel(frame::BACKLOG);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        frame::write_all(write, outgoing, None).await.ok();
    });
    // Dropping the set ends the writer and every request of this connection.
    read_requests(reader, hello.sender, handler, frames, &mut tasks).await
}

async fn greet<H: Handler>(handler: &H, hello: &Hello) -> Greeting {
    if hello.magic != super::wire::MAGIC || hello.version != super::wire::VERSION {
        return Err(Refused::Version { theirs: super::wire::VERSION });
    }
    handler.greet(hello).await
}

async fn read_requests<R, H>(
    mut reader: FrameReader<R>,
    sender: Sender,
    handler: Arc<H>,
    frames: mpsc::Sender<Bytes>,
    tasks: &mut JoinSet<()>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    H: Handler,
{
    let places = Arc::new(Semaphore::new(MAX_REQUESTS));
    let mut streams: HashMap<u64, AbortHandle> = HashMap::new();
    while let Some(message) = reader.next::<Up>(SILENCE).await? {
        while tasks.try_join_next().is_some() {}
        match message {
            Up::Ping => {
                // A full queue shows by itself that the connection lives.
                frames.try_send(frame::encode(&Down::Pong)?).ok();
            }
            Up::Cancel { id } => {
                if let Some(stream) = streams.remove(&id) {
                    stream.abort();
                }
            }
            Up::Call { id, request } => {
                let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
                let stream = matches!(request, Request::WatchSession { .. } | Request::Observe { .. });
                let (handler, frames) = (handler.clone(), frames.clone());
                let task = tasks.spawn(async move {
                    let _place: OwnedSemaphorePermit = place;
                    // Only fails when the connection is gone, and then nobody is left to be told.
                    answer(id, handler.handle(sender, request).await, &frames).await.ok();
                });
                if stream {
                    streams.retain(|_, stream| !stream.is_finished());
                    streams.insert(id, task);
                }
            }
        }
    }
    Ok(())
}

async fn answer(id: u64, answer: Answer, frames: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let send = |message: Down| async move {
        frames.send(frame::encode(&message)?).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    };
    match answer {
        Answer::Once(result) => send(Down::Reply { id, result }).await,
        Answer::Stream(mut items) => {
            send(Down::Reply { id, result: Ok(Response::Done) }).await?;
            while let Some(item) = items.next().await {
                send(Down::Item { id, item }).await?;
            }
            send(Down::End { id }).await
        }
    }
}
