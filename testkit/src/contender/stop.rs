//! [`Stop`]: the end that a signal asks for.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the process is to end.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once the process is to end; at once if it is.
    pub(super) async fn asked(&mut self) {
        // The sender lives in a task that ends only after it has sent.
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }
}

/// Listens for SIGTERM and SIGINT.
pub(super) fn on_signal() -> Result<Stop> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sender.send(true);
    });
    Ok(Stop(receiver))
}
