//! A connection to one node that is made when it is needed, and made again when it breaks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use election_core::clock::Instant;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::channel::{CallError, Channel, Items};
use super::wire::{Hello, Refused, Request, Response};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// After a failure the same answer is given for so long, so that a node that is down is not hammered.
const COOL_DOWN: Duration = Duration::from_millis(20);

/// Whom to connect to, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct LinkConfig {
    /// `host:port`.
    pub(crate) address: String,
    /// The first message.
    pub(crate) hello: Hello,
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
}

/// A node's address, and the connection to it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

impl Link {
    /// A link; nothing is connected yet.
    pub(crate) fn new(config: LinkConfig) -> Self {
        Self(Arc::new(Inner { config, state: watch::Sender::new(State::Idle), refused: Mutex::default() }))
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
        let attempt = async {
            let broken = |error: std::io::Error| CallError::Connection(error.to_string());
            let stream = TcpStream::connect(&self.0.config.address).await.map_err(broken)?;
            // Small messages that somebody waits for: Nagle's algorithm would hold them back.
            stream.set_nodelay(true).map_err(broken)?;
            Channel::open(stream, &self.0.config.hello).await
        };
        let result = tokio::time::timeout(CONNECT, attempt).await.unwrap_or(Err(CallError::Timeout(CONNECT)));
        let refused = match &result {
            Err(CallError::Refused(refused)) => Some(refused.clone()),
            _ => None,
        };
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        self.0.state.send_replace(match result {
            Ok(channel) => State::Ready(channel),
            Err(error) => State::Failed(error, Instant::now()),
        });
    }

    /// Asks the node and waits, no longer than `patience`, for the answer.
    pub(crate) async fn call(&self, request: Request, patience: Duration) -> Result<Response, CallError> {
        let call = async { self.channel().await?.call(request).await };
        tokio::time::timeout(patience, call).await.unwrap_or(Err(CallError::Timeout(patience)))
    }

    /// Opens a stream and waits, no longer than `patience`, until the node serves it.
    pub(crate) async fn stream(&self, request: Request, patience: Duration) -> Result<Items, CallError> {
        let open = async { self.channel().await?.stream(request).await };
        tokio::time::timeout(patience, open).await.unwrap_or(Err(CallError::Timeout(patience)))
    }
}
