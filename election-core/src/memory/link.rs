//! [`Link`]: the way from one process to the service, which faults cut.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::error::CallError;
use super::service::Inner;
use super::state::State;
use crate::clock::Instant;

/// A connection that can be severed: requests and answers on it are then held back, as TCP would, and are
/// given up after the bound of an attempt.
pub(super) struct Link {
    service: Arc<Inner>,
    up: watch::Sender<bool>,
    crashed: AtomicBool,
    attempt_timeout: Duration,
}

impl Link {
    pub(super) fn new(service: Arc<Inner>, attempt_timeout: Duration) -> Self {
        Self { service, up: watch::Sender::new(true), crashed: AtomicBool::new(false), attempt_timeout }
    }

    pub(super) fn service(&self) -> &Arc<Inner> {
        &self.service
    }

    pub(super) fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }

    pub(super) fn sever(&self) {
        self.up.send_replace(false);
    }

    /// Does nothing after a crash: the dead do not come back.
    pub(super) fn heal(&self) {
        if !self.crashed.load(Ordering::SeqCst) {
            self.up.send_replace(true);
        }
    }

    pub(super) fn crash(&self) {
        self.crashed.store(true, Ordering::SeqCst);
        self.sever();
    }

    /// Sends a request and waits for its answer, for one attempt's time.
    ///
    /// A request is pending once before it is served and once before its answer arrives, so that a caller
    /// can be dropped, and the link can break, on either side of the moment when it takes effect.
    pub(super) async fn call<T>(
        &self,
        request: impl FnOnce(&mut State, Instant) -> T,
    ) -> Result<T, CallError> {
        let exchange = async {
            self.passable().await;
            yield_now().await;
            let answer = self.service.serve(request).ok_or(CallError::Stopped)?;
            yield_now().await;
            self.passable().await;
            Ok(answer)
        };
        timeout(self.attempt_timeout, exchange).await.unwrap_or(Err(CallError::NoAnswer))
    }

    async fn passable(&self) {
        // Not an error: `self` owns the sender.
        let _ = self.up.subscribe().wait_for(|up| *up).await;
    }

    /// Waits until the connection is known to be broken: at once if the service is stopped, after an
    /// attempt's time if the link is severed (a black hole says nothing).
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub(super) async fn broken(&self) {
        let mut up = self.up.subscribe();
        let mut running = self.service.running();
        loop {
            tokio::select! {
                _ = running.wait_for(|running| !running) => return,
                _ = up.wait_for(|up| !up) => {}
            }
            if timeout(self.attempt_timeout, self.passable()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until requests can pass.
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub(super) async fn restored(&self) {
        self.passable().await;
        let _ = self.service.running().wait_for(|running| *running).await;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("up", &*self.up.borrow()).finish_non_exhaustive()
    }
}
