//! The listening end of a connection.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant as Moment, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Taken};
use super::caller::{Caller, Origin};
use super::door::{Door, Knock, Line};
use super::frame::{self, FrameReader};
use super::greeting::{Proof, expect_plaintext, expect_tls, hear};
use super::limits::{self, GREETING, SILENCE};
use super::listener::Listener;
use super::outbox::Outbox;
use super::refusal::{Failure, Refused};
use super::tls::{Held, LOOK_AGAIN, Security, Verdict};
use super::wire::{Down, Hello, Item, Request, Response, Sender, Up};
use crate::metering;
use crate::store::Incarnation;

/// How long the last word of a connection may take to be sent.
const LAST_WORD: Duration = Duration::from_millis(500);
/// How often a quiet connection is shown to live, also while its requests have to wait.
const PONG_EVERY: Duration = Duration::from_millis(500);

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
    /// Whether to talk to whoever says `hello`, and by what it is known. `origin` is what it has shown; or, in
    /// words, what its certificate shows instead of an identity.
    fn greet(
        &self,
        hello: &Hello,
        origin: &Result<Origin, String>,
    ) -> impl Future<Output = Result<Origin, Refused>> + Send;

    /// The life of this node's data directory.
    fn incarnation(&self) -> Incarnation;

    /// Serves a request.
    fn handle(&self, caller: Arc<Caller>, request: Request) -> impl Future<Output = Answer> + Send;
}

/// Where callers arrive.
pub(crate) struct Entrance<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) security: Security,
    pub(crate) door: Arc<Door>,
}

/// Accepts connections until `stop` is cancelled, then ends them all.
pub(crate) async fn serve<H: Handler>(
    listener: impl Into<Listener> + Send,
    entrance: Arc<Entrance<H>>,
    stop: CancellationToken,
) {
    #[cfg_attr(
        not(feature = "sim"),
        expect(clippy::infallible_destructuring_match, reason = "there is a second kind in a simulation")
    )]
    let listener = match listener.into() {
        Listener::Tcp(listener) => listener,
        #[cfg(feature = "sim")]
        Listener::Simulated(arrivals) => return super::listener::serve(arrivals, entrance, stop).await,
    };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            // Always accepted, and closed if need be: what waits in the kernel's queue keeps others out of it.
            Ok((stream, from)) => match entrance.door.knock(from.ip()) {
                Some(knock) => {
                    connections.spawn(welcome(stream, from.ip(), knock, entrance.clone()));
                }
                None => {
                    if entrance.door.may_log(Line::Closed, from.ip()) {
                        tracing::warn!(%from, "too many new connections: some are closed unheard");
                    }
                }
            },
            Err(error) => {
                // Too many open files, most likely: let some of them be closed.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves one connection until it ends, and logs why if that was not in good order.
async fn welcome<H: Handler>(stream: TcpStream, from: IpAddr, knock: Knock, entrance: Arc<Entrance<H>>) {
    stream.set_nodelay(true).ok();
    let until = Moment::now() + GREETING;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it did not say who it is in time");
    let served = async {
        match &entrance.security {
            Security::Plaintext => {
                let stream = timeout_at(until, expect_plaintext(stream)).await.map_err(late)??;
                connection(stream, Proof::address(from), knock, until, &entrance).await
            }
            Security::Tls(credentials) => {
                let begun = timeout_at(until, expect_tls(stream, credentials)).await.map_err(late)?;
                let (stream, proof) = begun?;
                connection(stream, proof, knock, until, &entrance).await
            }
        }
    };
    if let Err(error) = served.await {
        // A process that ends just hangs up; anything else is worth a line.
        let hung_up = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        );
        if !hung_up && entrance.door.may_log(Line::Refused, from) {
            tracing::warn!(%from, %error, "a connection was refused or ended");
        } else {
            tracing::debug!(%from, %error, "a connection ended");
        }
    }
}

/// Serves one connection until it ends. It must have greeted by `until`.
pub(crate) async fn connection<IO, H>(
    io: IO,
    proof: Proof,
    knock: Knock,
    until: Moment,
    entrance: &Entrance<H>,
) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler,
{
    let (read, mut write) = tokio::io::split(io);
    let mut reader = FrameReader::new(read, limits::MAX_HELLO);
    let heard = timeout_at(until, hear(&mut reader, &mut write, &proof.origin, entrance)).await;
    let heard = heard.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it did not greet in time"))?;
    let Some((_place, caller)) = heard? else { return Ok(()) };
    drop(knock);
    reader.set_max(match caller.sender {
        Sender::Member { .. } => limits::MAX_MEMBER,
        Sender::Client => limits::MAX_CLIENT,
    });
    let (outbox, outgoing) = Outbox::new(match caller.sender {
        Sender::Client => caller.shares.answers(),
        Sender::Member { .. } => Budget::new(limits::ANSWER_BYTES, None),
    });
    let pong = frame::encode(&Down::Pong)?;
    let mut writer = JoinSet::new();
    writer.spawn(frame::write_all(write, outgoing, Some((PONG_EVERY, pong))));
    // Dropping the set ends every request of this connection.
    let mut tasks = JoinSet::new();
    let ended = tokio::select! {
        ended = read_requests(reader, Arc::new(caller), &entrance.handler, &outbox, &mut tasks) => ended,
        error = distrust(proof.held) => Err(error),
        Some(written) = writer.join_next() => return written.map_err(io::Error::other)?,
    };
    drop(tasks);
    if let Err(error) = &ended {
        outbox.try_send(&Down::Bye { why: error.to_string() })?;
    }
    drop(outbox);
    timeout(LAST_WORD, writer.join_next()).await.ok();
    ended
}

/// Waits until the caller's certificate is no reason any more to believe it.
async fn distrust(held: Option<Held>) -> io::Error {
    let Some(mut held) = held else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if let Verdict::Bad(why) = held.look().await {
            let why = format!("the certificate of this connection is no longer accepted: {why}");
            return io::Error::new(io::ErrorKind::PermissionDenied, why);
        }
    }
}

/// The streams of a connection, to end them by name.
#[derive(Default)]
struct Streams {
    open: HashMap<u64, AbortHandle>,
    /// At so many those that have ended are looked for.
    sweep_at: usize,
}

impl Streams {
    /// Whether there is a place for another one.
    fn has_place(&mut self) -> bool {
        if self.open.len() >= self.sweep_at.min(limits::STREAMS) {
            self.open.retain(|_, stream| !stream.is_finished());
            self.sweep_at = 64 + 2 * self.open.len();
        }
        self.open.len() < limits::STREAMS
    }
}

async fn read_requests<R, H>(
    mut reader: FrameReader<R>,
    caller: Arc<Caller>,
    handler: &Arc<H>,
    outbox: &Outbox,
    tasks: &mut JoinSet<()>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    H: Handler,
{
    let places = Budget::new(limits::REQUESTS, None);
    let bytes = Budget::new(limits::REQUEST_BYTES, None);
    let lists = caller.shares.lists();
    let mut streams = Streams::default();
    while let Some(frame) = reader.next_frame(SILENCE).await? {
        while tasks.try_join_next().is_some() {}
        match frame::decode(&frame)? {
            Up::Ping => {
                // A full queue shows by itself that the connection lives.
                outbox.try_send(&Down::Pong)?;
            }
            Up::Cancel { id } => {
                if let Some(stream) = streams.open.remove(&id) {
                    stream.abort();
                }
            }
            Up::Call { id, request } => {
                let is_stream = matches!(
                    request,
                    Request::WatchSession { .. }
                        | Request::Observe { .. }
                        | Request::WatchMembers
                        | Request::Backup
                );
                let is_list = matches!(
                    request,
                    Request::Queue { .. } | Request::Contests { .. } | Request::WatchSession { .. }
                );
                if is_stream && !streams.has_place() {
                    let most = limits::STREAMS;
                    let what = format!("a connection has {most} streams, the most it may: end some");
                    refuse(id, "streams", what, outbox).await?;
                    continue;
                }
                // What is beyond the bounds waits here, and so in the caller's own socket.
                let place = places.take(1).await;
                let room = match caller.sender {
                    Sender::Client => Some(bytes.take(frame.len()).await),
                    // One batch of entries at a time, by Raft's own rules.
                    Sender::Member { .. } => None,
                };
                let counts = room.is_some() && !matches!(request, Request::Renew { .. });
                let share = counts.then(|| caller.shares.request(frame.len()));
                if let Some(None) = share {
                    let (origin, most) = (&caller.origin, limits::REQUEST_BYTES_PER_ORIGIN);
                    let what = format!(
                        "{origin} has {most} bytes of requests under way, the most it may: send fewer at once"
                    );
                    refuse(id, "request_bytes", what, outbox).await?;
                    continue;
                }
                let (handler, outbox, caller) = (handler.clone(), outbox.clone(), caller.clone());
                let lists = is_list.then(|| lists.clone());
                let task = tasks.spawn(async move {
                    let list = match lists {
                        Some(lists) => Some(lists.take(1).await),
                        None => None,
                    };
                    let answered = handler.handle(caller, request).await;
                    // Held until an answer is sent. A stream lives long, and has its own limit.
                    let _held = Some((place, room, share)).filter(|_| matches!(answered, Answer::Once(_)));
                    // Only fails when the connection is gone, and then nobody is left to be told.
                    answer(id, answered, list, &outbox).await.ok();
                });
                if is_stream {
                    streams.open.insert(id, task);
                }
            }
        }
    }
    Ok(())
}

/// Answers that a limit is reached.
async fn refuse(id: u64, limit: &'static str, what: String, outbox: &Outbox) -> io::Result<()> {
    metering::refused(limit);
    answer(id, Answer::Once(Err(Failure::Full { what })), None, outbox).await
}

/// Sends an answer, and gives `list` back once all that was made before anything was sent is on its way.
async fn answer(id: u64, answer: Answer, list: Option<Taken>, outbox: &Outbox) -> io::Result<()> {
    match answer {
        Answer::Once(result) => outbox.send(Down::Reply { id, result }).await,
        Answer::Stream(mut items) => {
            outbox.send(Down::Reply { id, result: Ok(Response::Done) }).await?;
            if let Some(item) = items.next().await {
                outbox.send(Down::Item { id, item }).await?;
            }
            drop(list);
            while let Some(item) = items.next().await {
                outbox.send(Down::Item { id, item }).await?;
            }
            outbox.send(Down::End { id }).await
        }
    }
}
