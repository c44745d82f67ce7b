//! A connection to one node that is made when it is needed, and made again when it breaks.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use election_core::clock::Instant;
use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::channel::{CallError, Channel, Items, Mark};
use super::refusal::{Failure, Refused};
use super::tls::{Credentials, Held, LOOK_AGAIN, Security, TlsError, Verdict, Whose, explain};
use super::wire::{Hello, Request, Response};
use crate::store::Incarnation;
use crate::types::NodeId;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// After a failure the same answer is given for so long, so that a node that is down is not hammered.
const COOL_DOWN: Duration = Duration::from_millis(20);
/// A connection that was replaced ends after so long: its requests are answered by then, its streams are opened
/// anew.
const RETIRE: Duration = Duration::from_secs(10);

/// Whether a data directory is the one by which the node of this id is known.
pub(crate) type Recognise = Arc<dyn Fn(NodeId, Incarnation) -> BoxFuture<'static, bool> + Send + Sync>;

/// Whom to connect to, and as whom.
#[derive(Clone)]
pub(crate) struct LinkConfig {
    /// `host:port`.
    pub(crate) address: String,
    /// The first message.
    pub(crate) hello: Hello,
    /// How what is sent is protected.
    pub(crate) security: Security,
    /// Between members: whether it is still the same node.
    pub(crate) recognise: Option<Recognise>,
}

#[derive(Clone)]
enum State {
    Idle,
    Connecting,
    Ready(Channel),
    Failed(CallError, Instant),
}

struct Inner {
    config: LinkConfig,
    state: watch::Sender<State>,
    /// The last refusal: it does not go away by itself, so it is worth telling a person.
    refused: Mutex<Option<Refused>>,
    /// What was complained of last, so that the log says it once.
    complaint: Mutex<Option<String>>,
}

/// A node's address, and the connection to it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

impl Link {
    /// A link; nothing is connected yet.
    pub(crate) fn new(config: LinkConfig) -> Self {
        Self(Arc::new(Inner {
            config,
            state: watch::Sender::new(State::Idle),
            refused: Mutex::default(),
            complaint: Mutex::default(),
        }))
    }

    /// The address.
    pub(crate) fn address(&self) -> &str {
        &self.0.config.address
    }

    /// Why the node refused to talk to us, if it did the last time.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection, made if there is none.
    ///
    /// It is made on a task of its own: a caller with little patience leaves it running for the next one.
    async fn channel(&self) -> Result<Channel, CallError> {
        let mut states = self.0.state.subscribe();
        loop {
            let mut start = false;
            self.0.state.send_if_modified(|state| {
                start = match state {
                    State::Idle => true,
                    State::Connecting => false,
                    State::Ready(channel) => channel.is_closed(),
                    State::Failed(_, at) => Instant::now().saturating_duration_since(*at) > COOL_DOWN,
                };
                if start {
                    *state = State::Connecting;
                }
                start
            });
            if start {
                tokio::spawn(self.clone().connect());
            }
            match &*states.borrow_and_update() {
                State::Ready(channel) => return Ok(channel.clone()),
                State::Failed(error, _) => return Err(error.clone()),
                State::Idle | State::Connecting => {}
            }
            states.changed().await.map_err(|error| CallError::Connection(error.to_string()))?;
        }
    }

    async fn connect(self) {
        let result = self.dial().await;
        let refused = match &result {
            Err(CallError::Refused(refused)) => Some(refused.clone()),
            _ => None,
        };
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        match result {
            Ok((channel, held)) => self.use_from_now(channel, held),
            Err(error) => {
                self.0.state.send_replace(State::Failed(error, Instant::now()));
            }
        }
    }

    /// Makes a connection, in bounded time, to the very node that is known by this id.
    async fn dial(&self) -> Result<(Channel, Option<Held>), CallError> {
        let attempt = async {
            let (channel, held) = self.greet().await?;
            let LinkConfig { hello, recognise, .. } = &self.0.config;
            match recognise {
                Some(recognise) if !recognise(hello.target, channel.incarnation()).await => {
                    channel.close("it is another node's".into());
                    Err(CallError::OtherDirectory(hello.target))
                }
                _ => Ok((channel, held)),
            }
        };
        let result = tokio::time::timeout(CONNECT, attempt).await.unwrap_or(Err(CallError::Timeout(CONNECT)));
        self.complain(result.as_ref().err());
        result
    }

    /// Greets whoever is at the address.
    async fn greet(&self) -> Result<(Channel, Option<Held>), CallError> {
        let LinkConfig { address, hello, security, .. } = &self.0.config;
        let broken = |error: std::io::Error| CallError::Connection(error.to_string());
        #[cfg(feature = "sim")]
        if let Some(host) = crate::sim::host() {
            let stream = host.connect(address).await.map_err(broken)?;
            return Ok((Channel::open(stream, hello).await?, None));
        }
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        // Small messages that somebody waits for: Nagle's algorithm would hold them back.
        stream.set_nodelay(true).map_err(broken)?;
        match security {
            Security::Plaintext => Ok((Channel::open(stream, hello).await?, None)),
            Security::Tls(credentials) => {
                let (channel, held) = open_protected(stream, hello, credentials).await?;
                Ok((channel, Some(held)))
            }
        }
    }

    /// Logs what a person has to see to: once, until it changes.
    fn complain(&self, error: Option<&CallError>) {
        let complaint = match error {
            Some(error @ (CallError::Tls(_) | CallError::Refused(_) | CallError::OtherDirectory(_))) => {
                Some(error.to_string())
            }
            // Being down, or slow, is no contradiction to what was found out before.
            Some(_) => return,
            None => None,
        };
        let mut known = self.0.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = complaint.as_ref().filter(|_| *known != complaint) {
            let LinkConfig { address, hello, .. } = &self.0.config;
            tracing::warn!(node = hello.target, address, why, "cannot connect to a member");
        }
        *known = complaint;
    }

    fn use_from_now(&self, channel: Channel, held: Option<Held>) {
        let mark = channel.mark();
        self.0.state.send_replace(State::Ready(channel));
        if let Some(held) = held {
            tokio::spawn(tend(Arc::downgrade(&self.0), mark, held));
        }
    }

    /// The connection that is in use.
    fn in_use(&self) -> Option<Channel> {
        match &*self.0.state.borrow() {
            State::Ready(channel) if !channel.is_closed() => Some(channel.clone()),
            _ => None,
        }
    }

    /// Asks the node and waits, no longer than `patience`, for the answer.
    pub(crate) async fn call(&self, request: Request, patience: Duration) -> Result<Response, CallError> {
        let call = async { self.channel().await?.call(request).await };
        let answer = tokio::time::timeout(patience, call).await.unwrap_or(Err(CallError::Timeout(patience)));
        // The connection was made before the removal.
        if let Err(CallError::Failure(Failure::Removed(refused))) = &answer {
            *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
        }
        answer
    }

    /// Opens a stream and waits, no longer than `patience`, until the node serves it.
    pub(crate) async fn stream(&self, request: Request, patience: Duration) -> Result<Items, CallError> {
        let open = async { self.channel().await?.stream(request).await };
        tokio::time::timeout(patience, open).await.unwrap_or(Err(CallError::Timeout(patience)))
    }
}

/// Greets a node once it has shown its certificate, and this process its own.
async fn open_protected(
    stream: TcpStream,
    hello: &Hello,
    credentials: &Arc<Credentials>,
) -> Result<(Channel, Held), CallError> {
    let keys = credentials.current().await;
    let theirs = |why: String| CallError::from(TlsError::Theirs(why));
    let (connector, name) = keys.connector(hello.target).map_err(theirs)?;
    let stream = connector.connect(name, stream).await.map_err(|error| explain(&error))?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    // Before a word is said: a certificate for every node is a certificate for none.
    let mut held = Held::new(credentials.clone(), keys, chain, Whose::Node(hello.target));
    if let Verdict::Bad(why) = held.look().await {
        return Err(theirs(why));
    }
    Ok((Channel::open(stream, hello).await?, held))
}

/// Looks after the certificates of a link's connection until it breaks or is replaced: makes it anew before
/// one of them runs out, or when this process has new ones, and ends it when the node's is no longer good.
async fn tend(inner: Weak<Inner>, mine: Mark, mut held: Held) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let Some(link) = inner.upgrade().map(Link) else { return };
        let Some(channel) = link.in_use().filter(|channel| mine.is(channel)) else { return };
        match held.look().await {
            Verdict::Good => {}
            Verdict::Bad(why) => {
                channel.close(format!("the node's certificate is no longer accepted: {why}"));
                return;
            }
            Verdict::Old => match link.dial().await {
                Ok((fresh, held)) => {
                    tracing::debug!(node = link.0.config.hello.target, "a connection was made anew");
                    link.use_from_now(fresh, held);
                    drop(link);
                    tokio::time::sleep(RETIRE).await;
                    channel.close("it was made anew, for the sake of a certificate".into());
                    return;
                }
                // The old one serves for as long as it may.
                Err(error) => tracing::warn!(%error, "cannot make a connection anew"),
            },
        }
    }
}
