//! The provider over HTTP, and how it fails.

use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::extract::{ConnectInfo, State, connect_info::Connected};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::script::{Fault, Script};
use super::store::{Charged, Store};
use crate::billing::wire::{Report, report};

/// The body of `POST /charges`; the header `idempotency-key` makes it safe to repeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Charge {
    /// What is paid for.
    pub invoice: String,
    /// In minor units.
    pub amount: i64,
    /// The currency's code.
    pub currency: String,
    /// Who asks, for the statement.
    pub worker: String,
    /// The token of who asks, for the statement: this provider compares no tokens.
    pub token: u64,
}

/// The answer to it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Receipt {
    /// The number of the charge.
    pub charge: i64,
    /// Whether it had been executed before this request.
    pub replayed: bool,
}

/// The body of `POST /control`: how the stage makes the provider fail.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Control {
    /// Replaces what was planned. In one step with the release: no charge passes between the two.
    pub script: Script,
    /// Lets go of the answers that are held back.
    pub release: bool,
}

struct Provider {
    store: Mutex<Store>,
    script: Mutex<Script>,
    /// Counts the releases; a held answer waits for the next one.
    released: watch::Sender<u64>,
}

/// Runs the provider on a port of the loopback (0: any) until the process ends.
///
/// # Errors
/// If the database cannot be opened or the port is taken.
pub async fn run(database: &Path, port: u16, script: Script) -> anyhow::Result<()> {
    crate::billing::lifeline::tie_to_parent(|_| {})?;
    let provider = Arc::new(Provider {
        store: Mutex::new(Store::open(database)?),
        script: Mutex::new(script),
        released: watch::Sender::new(0),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("the provider cannot listen on port {port}"))?;
    report(&Report::Listening { port: listener.local_addr()?.port() });
    let routes = Router::new()
        .route("/charges", post(charge))
        .route("/control", post(control))
        .with_state(provider)
        .into_make_service_with_connect_info::<Line>();
    axum::serve(listener, routes).await.context("the provider's server stopped")
}

async fn control(State(provider): State<Arc<Provider>>, Json(control): Json<Control>) -> StatusCode {
    *lock(&provider.script) = control.script;
    if control.release {
        provider.released.send_modify(|count| *count += 1);
    }
    StatusCode::NO_CONTENT
}

type Refusal = (StatusCode, String);

async fn charge(
    State(provider): State<Arc<Provider>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    Json(charge): Json<Charge>,
) -> Result<Json<Receipt>, Refusal> {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| std::str::from_utf8(key.as_bytes()).ok())
        .ok_or((StatusCode::BAD_REQUEST, "give an idempotency-key".to_owned()))?
        .to_owned();
    let fault = provider.clone().foresee(key.clone()).await?;
    if let Some(fault) = fault {
        report(&Report::Faulty { fault });
    }
    match fault {
        Some(Fault::Slow { millis }) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Some(Fault::DieBefore) => die(),
        _ => {}
    }
    let receipt = provider.clone().execute(key, charge.clone()).await?;
    match fault {
        Some(Fault::DieAfter) => die(),
        Some(Fault::LoseAnswer) => line.cut().await,
        Some(Fault::Hold) => provider.hold(charge).await,
        _ => {}
    }
    Ok(Json(receipt))
}

impl Provider {
    /// What the script has for this request. A repeated one is none of its business: no new charge.
    async fn foresee(self: Arc<Self>, key: String) -> Result<Option<Fault>, Refusal> {
        blocking(move || {
            let known = lock(&self.store).knows(&key).map_err(broken)?;
            Ok(if known { None } else { lock(&self.script).foresee() })
        })
        .await
    }

    async fn execute(self: Arc<Self>, key: String, charge: Charge) -> Result<Receipt, Refusal> {
        blocking(move || {
            let Charge { invoice, amount, currency, .. } = charge;
            match lock(&self.store).charge(&key, &invoice, amount, &currency).map_err(broken)? {
                Charged::Now(charge) => Ok(Receipt { charge, replayed: false }),
                Charged::Before(charge) => Ok(Receipt { charge, replayed: true }),
                Charged::KeyReused => Err((
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!("key {key:?} was used for another charge"),
                )),
            }
        })
        .await
    }

    /// Holds an answer back until the next release.
    async fn hold(&self, charge: Charge) {
        // Subscribed before it is told, so that a release that follows at once is not missed.
        let mut released = self.released.subscribe();
        report(&Report::Held { invoice: charge.invoice, worker: charge.worker, token: charge.token });
        released.changed().await.ok();
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())))
}

fn broken(error: rusqlite::Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// A poisoned lock guards what the database has committed, which no panic can spoil.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As if the machine had lost its power, except that the disk keeps what was committed.
fn die() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
}

/// The connection that a request came in on, to be cut under it.
#[derive(Debug, Clone)]
struct Line(Arc<std::io::Result<TcpStream>>);

impl Connected<IncomingStream<'_, TcpListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let same_socket = stream.io().as_fd().try_clone_to_owned();
        Self(Arc::new(same_socket.map(TcpStream::from)))
    }
}

impl Line {
    /// Closes the connection; the request never ends, so that no answer is written.
    async fn cut(&self) {
        if let Ok(stream) = &*self.0 {
            stream.shutdown(Shutdown::Both).ok();
        }
        std::future::pending().await
    }
}
