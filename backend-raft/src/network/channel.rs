//! The calling end of a connection.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use super::frame::{self, FrameReader};
use super::wire::{Down, Failure, Greeting, Hello, Item, Refused, Request, Response, Up};

/// A connection that says nothing for so long is dead.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);
/// How often a quiet connection is shown to live.
const PING_EVERY: Duration = Duration::from_millis(500);
/// How many items of a stream may wait before it is given up; whoever reads it then starts anew.
const STREAM_BACKLOG: usize = 4096;

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection could be made, or it broke. A request that was sent may have taken effect.
    #[error("{0}")]
    Connection(String),
    /// No answer in time. The request may have taken effect.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The node refused to talk to this process.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The node answered that it did not serve the request.
    #[error(transparent)]
    Failure(#[from] Failure),
}

enum Waiter {
    Once(oneshot::Sender<Result<Response, Failure>>),
    Stream { opened: Option<oneshot::Sender<Result<Response, Failure>>>, items: mpsc::Sender<Item> },
}

/// Whoever waits for an answer. `None` once the connection is gone.
type Waiting = Arc<Mutex<Option<HashMap<u64, Waiter>>>>;

fn lock(waiting: &Waiting) -> MutexGuard<'_, Option<HashMap<u64, Waiter>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection to one node, shared by everybody who wants something of it.
#[derive(Clone)]
pub(crate) struct Channel {
    frames: mpsc::Sender<Bytes>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

impl Channel {
    /// Greets the node at the other end of `io` and starts to read its answers.
    pub(crate) async fn open<IO>(io: IO, hello: &Hello) -> Result<Self, CallError>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |error: io::Error| CallError::Connection(error.to_string());
        let (read, mut write) = tokio::io::split(io);
        frame::write_now(&mut write, hello).await.map_err(broken)?;
        let mut reader = FrameReader::new(read, frame::MAX_MEMBER);
        match reader.next::<Greeting>(SILENCE).await.map_err(broken)? {
            Some(greeting) => greeting?,
            None => return Err(CallError::Connection("the node hung up".into())),
        }
        let ping = frame::encode(&Up::Ping).map_err(broken)?;
        let (frames, outgoing) = mpsc::channel(frame::BACKLOG);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let writer = tokio::spawn(frame::write_all(write, outgoing, Some((PING_EVERY, ping))));
        let reading = waiting.clone();
        tokio::spawn(async move {
            if let Err(error) = read_answers(reader, &reading).await {
                tracing::debug!(%error, "a connection broke");
            }
            // Everybody who waits is woken by the drop of its sender.
            lock(&reading).take();
            writer.abort();
        });
        Ok(Self { frames, waiting, next: Arc::default() })
    }

    /// Whether the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.frames.is_closed() || lock(&self.waiting).is_none()
    }

    async fn send(&self, request: Request, waiter: Waiter) -> Result<Entry, CallError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = matches!(waiter, Waiter::Stream { .. });
        let frame = frame::encode(&Up::Call { id, request })
            .map_err(|error| CallError::Connection(error.to_string()))?;
        match &mut *lock(&self.waiting) {
            Some(waiting) => waiting.insert(id, waiter),
            None => return Err(CallError::Connection("the connection is gone".into())),
        };
        let entry = Entry { id, stream, channel: self.clone() };
        self.frames.send(frame).await.map_err(|_| CallError::Connection("the connection is gone".into()))?;
        Ok(entry)
    }

    /// Asks and waits for the answer.
    ///
    /// # Cancel safety
    /// Dropping it forgets the answer; the request may take effect all the same.
    pub(crate) async fn call(&self, request: Request) -> Result<Response, CallError> {
        let (answer, waiting) = oneshot::channel();
        let _entry = self.send(request, Waiter::Once(answer)).await?;
        match waiting.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(CallError::Connection("the connection broke before the answer came".into())),
        }
    }

    /// Opens a stream and waits until the node has said that it will serve it.
    pub(crate) async fn stream(&self, request: Request) -> Result<Items, CallError> {
        let (items, receiver) = mpsc::channel(STREAM_BACKLOG);
        let (opened, opening) = oneshot::channel();
        let entry = self.send(request, Waiter::Stream { opened: Some(opened), items }).await?;
        match opening.await {
            Ok(result) => result?,
            Err(_) => {
                return Err(CallError::Connection("the connection broke before the answer came".into()));
            }
        };
        Ok(Items { receiver, _entry: Some(entry) })
    }
}

/// The place of one request in the list of those who wait; given back on drop.
struct Entry {
    id: u64,
    stream: bool,
    channel: Channel,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let known = lock(&self.channel.waiting).as_mut().is_some_and(|map| map.remove(&self.id).is_some());
        if known
            && self.stream
            && let Ok(frame) = frame::encode(&Up::Cancel { id: self.id })
        {
            // If the queue is full the node notices when it next sends an item nobody asked for.
            self.channel.frames.try_send(frame).ok();
        }
    }
}

/// The items of a stream. Dropping it tells the node.
pub(crate) struct Items {
    receiver: mpsc::Receiver<Item>,
    _entry: Option<Entry>,
}

impl Items {
    /// A stream that comes from this very process.
    pub(crate) fn local(receiver: mpsc::Receiver<Item>) -> Self {
        Self { receiver, _entry: None }
    }

    /// The next item; `None` when the stream has ended for whatever reason.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        self.receiver.recv().await
    }
}

async fn read_answers<R: AsyncRead + Unpin>(mut reader: FrameReader<R>, waiting: &Waiting) -> io::Result<()> {
    while let Some(message) = reader.next::<Down>(SILENCE).await? {
        let mut guard = lock(waiting);
        let Some(waiting) = guard.as_mut() else { return Ok(()) };
        match message {
            Down::Pong => {}
            Down::Reply { id, result } => match waiting.remove(&id) {
                Some(Waiter::Once(answer)) => {
                    answer.send(result).ok();
                }
                Some(Waiter::Stream { opened, items }) => {
                    if result.is_ok() {
                        waiting.insert(id, Waiter::Stream { opened: None, items });
                    }
                    if let Some(opened) = opened {
                        opened.send(result).ok();
                    }
                }
                None => {}
            },
            Down::Item { id, item } => {
                if let Some(Waiter::Stream { items, .. }) = waiting.get(&id)
                    && items.try_send(item).is_err()
                {
                    waiting.remove(&id);
                }
            }
            Down::End { id } => {
                waiting.remove(&id);
            }
        }
    }
    Ok(())
}
