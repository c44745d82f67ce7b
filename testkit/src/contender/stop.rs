//! [`Stop`]: the end that a signal asks for.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What the process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    GoOn,
    /// To contend no more, and to stay.
    Rest,
    End,
}

/// Whether the process is to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<Wish>);

impl Stop {
    /// Returns once the process is to stop what it does; at once if it is.
    pub(super) async fn asked(&mut self) {
        self.wished(Wish::Rest).await;
    }

    /// Returns once the process is to end.
    pub(super) async fn ended(&mut self) {
        self.wished(Wish::End).await;
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow() >= Wish::Rest
    }

    async fn wished(&mut self, least: Wish) {
        // The sender lives in a task that ends only after it has sent the last wish.
        let _ = self.0.wait_for(|wish| *wish >= least).await;
    }
}

/// Listens for SIGTERM and SIGINT, which mean the end, and for SIGUSR1, which means a rest.
pub(super) fn on_signal() -> Result<Stop> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut rest = signal(SignalKind::user_defined1())?;
    let (sender, receiver) = watch::channel(Wish::GoOn);
    tokio::spawn(async move {
        loop {
            let wish = tokio::select! {
                _ = terminate.recv() => Wish::End,
                _ = interrupt.recv() => Wish::End,
                _ = rest.recv() => Wish::Rest,
            };
            let _ = sender.send(wish);
            if wish == Wish::End {
                return;
            }
        }
    });
    Ok(Stop(receiver))
}
