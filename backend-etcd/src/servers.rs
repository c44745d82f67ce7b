//! The connections to the cluster, and the one way to send a request: bounded, retried, at a server that
//! answers.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use election_core::{Backoff, Error, Kind, Operation, Result};
use etcd_client::{Certificate, Client, ConnectOptions, Error as EtcdError, Identity, TlsOptions};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use crate::address::{Address, Tls};
use crate::error;

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// One attempt, at one server.
    pub(crate) attempt: Duration,
    /// All attempts together.
    pub(crate) total: Duration,
}

impl Bound {
    /// A single attempt.
    pub(crate) const fn once(attempt: Duration) -> Self {
        Self { attempt, total: attempt }
    }
}

/// The servers of the cluster. Requests go to one of them, and to the next when it fails: etcd-client's
/// balanced channel picks at random and does not retry, so that with one server of three paused a third of
/// all requests would hang.
pub(crate) struct Servers {
    endpoints: Vec<Endpoint>,
    /// The one that answered last; staying with it keeps reads and watches at one view of the store.
    preferred: AtomicUsize,
}

struct Endpoint {
    name: String,
    url: String,
    options: ConnectOptions,
    /// Connected on first use: with a password, connecting needs an answer of the server.
    client: OnceCell<Client>,
}

impl Servers {
    /// The servers of a URL. No request is sent.
    ///
    /// # Errors
    /// `InvalidConfig` if a file for TLS cannot be read.
    pub(crate) async fn at(address: &Address) -> Result<Self> {
        let timeout = address.config.timeout;
        let mut options = ConnectOptions::new()
            // Without these a stream on a server that is stopped or cut off hangs for ever. etcd answers pings
            // closer than 5 s apart with GOAWAY (`grpc-keepalive-min-time`); our own heartbeat is faster.
            .with_keep_alive(Duration::from_secs(6), Duration::from_secs(3))
            .with_keep_alive_while_idle(true)
            .with_connect_timeout(timeout)
            // Else a stream on a member without a leader is silent for ever.
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some((user, password)) = &address.user {
            options = options.with_user(user, password.0.clone());
        }
        let mut scheme = "http";
        if let Some(tls) = &address.tls {
            options = options.with_tls(tls_options(tls).await?);
            scheme = "https";
        }
        let endpoint = |host: &String| Endpoint {
            name: host.clone(),
            url: format!("{scheme}://{host}"),
            options: options.clone(),
            client: OnceCell::new(),
        };
        Ok(Self::new(address.hosts.iter().map(endpoint).collect()))
    }

    /// A client that the caller has configured.
    pub(crate) fn from_client(client: Client) -> Self {
        let endpoint = Endpoint {
            name: "the given client's endpoints".to_owned(),
            url: String::new(),
            options: ConnectOptions::new(),
            client: OnceCell::new_with(Some(client)),
        };
        Self::new(vec![endpoint])
    }

    fn new(endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints, preferred: AtomicUsize::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Sends a request until it is answered, each attempt at the next server.
    ///
    /// An attempt that is given up may still take effect: whatever is sent must be idempotent.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout`, naming the servers, when the bound has passed; every other error at once.
    pub(crate) async fn call<T, F, Fut>(&self, operation: Operation, bound: Bound, request: F) -> Result<T>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<T, EtcdError>>,
    {
        let start = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(250));
        let mut failures = 0;
        loop {
            let index = self.preferred.load(Ordering::Relaxed);
            let left = bound.total.saturating_sub(start.elapsed());
            let attempt = self.attempt(index, &request);
            let error = match timeout(bound.attempt.min(left), attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => {
                    if error::wants_a_new_token(&error) {
                        self.refresh_tokens(bound.attempt).await;
                    }
                    error::from_etcd(error, operation)
                }
                Err(_) => error::new(Kind::Timeout, operation)
                    .source(format!("{} did not answer", self.endpoints[index].name)),
            };
            if !matches!(error.kind(), Kind::Unavailable | Kind::Timeout) {
                return Err(error);
            }
            self.avoid(index);
            failures += 1;
            // A pause only when all of them have failed.
            let pause = if failures % self.len() == 0 { backoff.next_delay() } else { Duration::ZERO };
            if start.elapsed() + pause >= bound.total {
                return Err(self.gave_up(error, bound.total));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The same, and whether it was sent once: no attempt that was not answered may have taken effect before.
    pub(crate) async fn call_counted<T, F, Fut>(
        &self,
        operation: Operation,
        bound: Bound,
        request: F,
    ) -> Result<(T, bool)>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<T, EtcdError>>,
    {
        let sent = AtomicUsize::new(0);
        let count = |client: &Client| {
            sent.fetch_add(1, Ordering::Relaxed);
            request(client)
        };
        let answer = self.call(operation, bound, count).await?;
        Ok((answer, sent.into_inner() == 1))
    }

    /// Sends a request to one server, once.
    pub(crate) async fn call_at<T, F, Fut>(
        &self,
        index: usize,
        operation: Operation,
        bound: Duration,
        request: F,
    ) -> Result<T>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<T, EtcdError>>,
    {
        match timeout(bound, self.attempt(index, &request)).await {
            Ok(answer) => answer.map_err(|error| error::from_etcd(error, operation)),
            Err(_) => Err(error::new(Kind::Timeout, operation)),
        }
    }

    /// The server to open a stream at: the one that answered last.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    /// Goes on to the next server, unless another request already has.
    pub(crate) fn avoid(&self, index: usize) {
        let next = (index + 1) % self.len();
        let _ = self.preferred.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Gets new authentication tokens: open streams are not re-authenticated by themselves.
    pub(crate) async fn refresh_tokens(&self, bound: Duration) {
        for endpoint in &self.endpoints {
            if let Some(client) = endpoint.client.get() {
                let _ = timeout(bound, client.refresh_token()).await;
            }
        }
    }

    async fn attempt<T, F, Fut>(&self, index: usize, request: &F) -> Result<T, EtcdError>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<T, EtcdError>>,
    {
        let endpoint = &self.endpoints[index];
        let connect = || Client::connect([&endpoint.url], Some(endpoint.options.clone()));
        let client = endpoint.client.get_or_try_init(connect).await?;
        // Boxed: these futures have some kilobytes, which every layer above would move around.
        Box::pin(request(client)).await
    }

    /// Says which servers were asked, and for how long.
    pub(crate) fn gave_up(&self, error: Error, total: Duration) -> Error {
        let what = match error.kind() {
            Kind::Timeout => "answered",
            _ => "could serve the request",
        };
        error.message(format!(
            "none of {self} {what} within {total:?}: is the cluster up and does it have a quorum?"
        ))
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", endpoint.name)?;
        }
        Ok(())
    }
}

/// By hand: the options hold the password.
impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Servers({self})")
    }
}

async fn tls_options(tls: &Tls) -> Result<TlsOptions> {
    let read = async |parameter: &str, path: &std::path::Path| {
        let path = path.to_owned();
        let shown = path.display().to_string();
        let content = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        content.map_err(std::io::Error::other).flatten().map_err(|error| {
            Error::invalid_config(format!("{parameter}={shown} cannot be read: give a PEM file"))
                .backend(crate::BACKEND)
                .source(error)
        })
    };
    let mut options = TlsOptions::new().ca_certificate(Certificate::from_pem(read("ca", &tls.ca).await?));
    if let Some((cert, key)) = &tls.identity {
        options = options.identity(Identity::from_pem(read("cert", cert).await?, read("key", key).await?));
    }
    if let Some(domain) = &tls.domain {
        options = options.domain_name(domain);
    }
    Ok(options)
}
