//! The calling end of a connection.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::frame::{self, FrameReader};
use super::limits::{self, SILENCE};
use super::refusal::{Failure, Refused};
use super::tls::{TlsError, explain};
use super::wire::{Down, Greeting, Hello, Item, Request, Response, Up};
use crate::store::Incarnation;
use crate::types::NodeId;

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
    /// The node has another data directory than before: its disk was lost, or it is another node's.
    #[error(
        "node {0} has another data directory than it had before: a node that lost its disk may have forgotten a vote \
         and must join under a new id"
    )]
    OtherDirectory(NodeId),
    /// One end does not trust the other.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The node answered that it did not serve the request.
    #[error(transparent)]
    Failure(#[from] Failure),
}

enum Waiter {
    Once(oneshot::Sender<Result<Response, Failure>>),
    Stream { opened: Option<oneshot::Sender<Result<Response, Failure>>>, items: mpsc::Sender<Item> },
}

/// Whoever waits for an answer; or why the connection is gone.
type Waiting = Arc<Mutex<Result<HashMap<u64, Waiter>, String>>>;

fn lock(waiting: &Waiting) -> MutexGuard<'_, Result<HashMap<u64, Waiter>, String>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a connection. Everybody who waits is woken by the drop of its sender.
fn end(waiting: &Waiting, why: String) {
    let mut waiting = lock(waiting);
    if waiting.is_ok() {
        *waiting = Err(why);
    }
}

/// One connection to one node, shared by everybody who wants something of it.
#[derive(Clone)]
pub(crate) struct Channel {
    frames: mpsc::Sender<Bytes>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
    /// The life of the data directory at the other end.
    incarnation: Incarnation,
    /// Ends it before its time.
    stop: CancellationToken,
}

impl Channel {
    /// Greets the node at the other end of `io` and starts to read its answers.
    pub(crate) async fn open<IO>(io: IO, hello: &Hello) -> Result<Self, CallError>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |error: io::Error| explain(&error);
        let (read, mut write) = tokio::io::split(io);
        let sent = frame::write_now(&mut write, hello).await;
        let mut reader = FrameReader::new(read, limits::MAX_MEMBER);
        // Listened to even if the greeting could not be sent: a node that turns a caller away says why.
        let welcome = match reader.next::<Greeting>(SILENCE).await.map_err(broken)? {
            Some(greeting) => greeting?,
            None => {
                let why = "the node hung up without a word: it may have too many connections from here";
                return Err(CallError::Connection(why.into()));
            }
        };
        sent.map_err(broken)?;
        let ping = frame::encode(&Up::Ping).map_err(broken)?;
        let (frames, outgoing) = mpsc::channel(limits::BACKLOG);
        let waiting: Waiting = Arc::new(Mutex::new(Ok(HashMap::new())));
        let writer = tokio::spawn(frame::write_all(write, outgoing, Some((PING_EVERY, ping))));
        let (reading, stop) = (waiting.clone(), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move {
            let why = tokio::select! {
                read = read_answers(reader, &reading) => match read {
                    Ok(why) => why,
                    Err(error) => error.to_string(),
                },
                () = stopped.cancelled() => "it was made anew".into(),
            };
            tracing::debug!(why, "a connection ended");
            end(&reading, why);
            writer.abort();
        });
        Ok(Self { frames, waiting, next: Arc::default(), incarnation: welcome.incarnation, stop })
    }

    /// The life of the data directory at the other end.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Whether the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.frames.is_closed() || lock(&self.waiting).is_err()
    }

    /// What tells this connection from others without keeping it open.
    pub(crate) fn mark(&self) -> Mark {
        Mark(Arc::downgrade(&self.waiting))
    }

    /// Ends the connection for all who use it.
    pub(crate) fn close(&self, why: String) {
        end(&self.waiting, why);
        self.stop.cancel();
    }

    fn gone(&self) -> CallError {
        let waiting = lock(&self.waiting);
        let why = waiting.as_ref().err().map_or("it broke", String::as_str);
        CallError::Connection(format!("the connection is gone, without an answer: {why}"))
    }

    async fn send(&self, request: Request, waiter: Waiter) -> Result<Entry, CallError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = matches!(waiter, Waiter::Stream { .. });
        let frame = frame::encode(&Up::Call { id, request })
            .map_err(|error| CallError::Connection(error.to_string()))?;
        if let Ok(waiting) = &mut *lock(&self.waiting) {
            waiting.insert(id, waiter);
        } else {
            // Told below, once the lock is free again.
            drop(waiter);
        }
        if self.is_closed() {
            return Err(self.gone());
        }
        let entry = Entry { id, stream, channel: self.clone() };
        self.frames.send(frame).await.map_err(|_| self.gone())?;
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
            Err(_) => Err(self.gone()),
        }
    }

    /// Opens a stream and waits until the node has said that it will serve it.
    pub(crate) async fn stream(&self, request: Request) -> Result<Items, CallError> {
        let (items, receiver) = mpsc::channel(STREAM_BACKLOG);
        let (opened, opening) = oneshot::channel();
        let entry = self.send(request, Waiter::Stream { opened: Some(opened), items }).await?;
        match opening.await {
            Ok(result) => result?,
            Err(_) => return Err(self.gone()),
        };
        Ok(Items { receiver, _entry: Some(entry) })
    }
}

/// Tells one connection from others.
pub(crate) struct Mark(Weak<Mutex<Result<HashMap<u64, Waiter>, String>>>);

impl Mark {
    /// Whether it is this one.
    pub(crate) fn is(&self, channel: &Channel) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&channel.waiting))
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
        let known = lock(&self.channel.waiting).as_mut().is_ok_and(|map| map.remove(&self.id).is_some());
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

/// Deals out the answers until there are no more, and says why there are none.
async fn read_answers<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    waiting: &Waiting,
) -> io::Result<String> {
    while let Some(message) = reader.next::<Down>(SILENCE).await? {
        let mut guard = lock(waiting);
        let waiting = match &mut *guard {
            Ok(waiting) => waiting,
            Err(why) => return Ok(why.clone()),
        };
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
            Down::Bye { why } => return Ok(format!("the node ended it: {why}")),
        }
    }
    Ok("the node hung up".into())
}
