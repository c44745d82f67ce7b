//! The one task that owns the session: opens it, renews it, and opens another one after its end.

use std::sync::Arc;

use election_core::clock::{Clock, Instant};
use election_core::{Backoff, Error, Kind, Loss, Operation, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use zookeeper_client as zk;

use crate::config::Config;
use crate::error::{BACKEND, Failure, kind};
use crate::session::{Committed, Session};
use crate::source::Source;

/// What the others see of the session.
#[derive(Clone)]
pub(crate) enum Phase {
    /// It is being opened.
    Opening,
    /// It cannot be opened; the next attempt follows.
    Down(Arc<Outage>),
    /// It lives.
    Live(Arc<Session>),
    /// There will be no other.
    Closed,
}

/// Why there is no session.
pub(crate) struct Outage {
    pub(crate) kind: Kind,
    pub(crate) why: String,
}

/// What the others ask for.
pub(crate) enum Command {
    /// End everything; the answer comes when the servers have confirmed it.
    Close(oneshot::Sender<Result<()>>),
}

type Attempt = BoxFuture<'static, Result<Committed, zk::Error>>;

/// Why the owner stopped serving a session.
enum End {
    Lost(Loss),
    Close(oneshot::Sender<Result<()>>),
    /// Nobody is left who could ask for anything.
    Abandoned,
}

impl From<Option<Command>> for End {
    fn from(command: Option<Command>) -> Self {
        match command {
            Some(Command::Close(reply)) => Self::Close(reply),
            None => Self::Abandoned,
        }
    }
}

pub(crate) struct Owner {
    pub(crate) config: Arc<Config>,
    pub(crate) source: Source,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
}

impl Owner {
    /// Lives until the coordinator is closed or abandoned.
    pub(crate) async fn run(mut self, first: (Arc<Session>, Committed)) {
        let mut next = Some(first);
        while let Some((session, committed)) = next.take() {
            self.phase.send_replace(Phase::Live(session.clone()));
            let end = self.serve(&session, committed).await;
            let states = session.client.state_watcher();
            let timing = session.timing;
            match end {
                End::Lost(loss) => {
                    session.state.end(loss);
                    let id = session.client.session_id();
                    tracing::warn!(session = %id, %loss, "the ZooKeeper session ended");
                    self.phase.send_replace(Phase::Opening);
                    // The client goes with its last holder; its session and its records go with the client.
                    drop(session);
                    next = self.reopen().await;
                }
                End::Close(reply) => {
                    session.state.end(Loss::Closed);
                    self.phase.send_replace(Phase::Closed);
                    drop(session);
                    let confirmed =
                        timeout(timing.ttl.min(self.config.connect_timeout), closed(states)).await;
                    // Nobody waits for the confirmation if the caller's future was dropped.
                    let _ = reply.send(confirmed.unwrap_or_else(|_| Err(not_confirmed())));
                }
                End::Abandoned => session.state.end(Loss::Closed),
            }
        }
        self.phase.send_replace(Phase::Closed);
    }

    async fn serve(&mut self, session: &Arc<Session>, mut last: Committed) -> End {
        let mut states = session.client.state_watcher();
        let ended = session.state.ended();
        tokio::pin!(ended);
        let mut attempt: Option<Attempt> = None;
        let due = sleep(until_due(session, last));
        tokio::pin!(due);
        loop {
            tokio::select! {
                biased;
                loss = &mut ended => return match loss {
                    // Only a command to close ends it so.
                    Loss::Closed => self.commands.recv().await.into(),
                    loss => End::Lost(loss),
                },
                command = self.commands.recv() => return command.into(),
                state = states.changed() => {
                    if let Some(loss) = Session::loss_of(state) {
                        return End::Lost(loss);
                    }
                    if state == zk::SessionState::SyncConnected {
                        let session = session.clone();
                        tokio::spawn(async move { session.remove_strays().await });
                    }
                },
                result = under_way(&mut attempt), if attempt.is_some() => {
                    attempt = None;
                    let wait = match result {
                        Ok(committed) => {
                            if let Err(loss) = prove(session, &mut last, committed) {
                                return End::Lost(loss);
                            }
                            let session = session.clone();
                            let due = until_due(&session, committed);
                            // Not here: a proof must not wait for it.
                            tokio::spawn(async move { session.look_for_records().await });
                            due
                        }
                        Err(error) if kind(&error) == Kind::SessionLost => {
                            return End::Lost(Loss::SessionExpired);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a renewal of the ZooKeeper session failed, retrying");
                            // The client holds requests back while it is disconnected, so this is no busy loop;
                            // the delay is for servers that refuse at once.
                            session.timing.ttl / 50
                        }
                    };
                    due.set(sleep(wait));
                },
                () = &mut due, if attempt.is_none() => {
                    let session = session.clone();
                    attempt = Some(async move { session.renew().await }.boxed());
                }
            }
        }
    }

    /// Opens the next session, however long it takes; `None` if there will be none.
    async fn reopen(&mut self) -> Option<(Arc<Session>, Committed)> {
        let mut backoff = Backoff::default();
        loop {
            let opening = self.source.open(&self.config, &self.clock);
            let error = tokio::select! {
                command = self.commands.recv() => {
                    if let Some(Command::Close(reply)) = command {
                        self.phase.send_replace(Phase::Closed);
                        let _ = reply.send(Ok(()));
                    }
                    return None;
                }
                opened = opening => match opened {
                    Ok(opened) => return Some(opened),
                    Err(error) => error,
                },
            };
            if error.kind() == Kind::Closed {
                return None;
            }
            let delay = backoff.next_delay();
            tracing::warn!(%error, ?delay, "no ZooKeeper session, retrying");
            let outage = Outage { kind: error.kind(), why: error.to_string() };
            self.phase.send_replace(Phase::Down(Arc::new(outage)));
            // A command that comes meanwhile waits for it: at most one second.
            sleep(delay).await;
        }
    }
}

/// The answer to the renewal that is under way; there is one.
async fn under_way(attempt: &mut Option<Attempt>) -> Result<Committed, zk::Error> {
    match attempt {
        Some(attempt) => attempt.await,
        None => futures::future::pending().await,
    }
}

/// One renewal behind: this one shows that the leader has counted the touches of `last`, if it had the time to
/// collect them in between.
fn prove(session: &Session, last: &mut Committed, committed: Committed) -> Result<Instant, Loss> {
    if committed.sent < last.answered + session.renewal_gap() {
        return session.state.valid();
    }
    let deadline = session.state.prove(last.sent, session.timing.validity());
    *last = committed;
    deadline
}

/// The time until the renewal after `last`.
fn until_due(session: &Session, last: Committed) -> std::time::Duration {
    let due = (last.sent + session.timing.renew_every).max(last.answered + session.renewal_gap());
    due.saturating_duration_since(session.state.clock().now())
}

/// Resolves when the client has closed its session (or lost it otherwise).
async fn closed(mut states: zk::StateWatcher) -> Result<()> {
    while Session::loss_of(states.state()).is_none() {
        states.changed().await;
    }
    Ok(())
}

fn not_confirmed() -> Error {
    Error::new(Kind::Timeout, Operation::Close)
        .backend(BACKEND)
        .message("no server confirmed it in time; the session and its records go with the TTL")
}

/// An error of opening a session, with the servers that were asked.
pub(crate) fn unreachable(config: &Config, error: Option<zk::Error>) -> Error {
    let asked = if config.endpoints.is_empty() {
        "the client handed in".to_owned()
    } else {
        config.endpoints.join(", ")
    };
    let base = match error {
        Some(error) => Error::from(Failure(Operation::Connect, error)),
        None => Error::new(Kind::Unavailable, Operation::Connect).backend(BACKEND),
    };
    match base.kind() {
        Kind::Unavailable | Kind::Timeout => base.message(format!(
            "no server of {asked} opened a session within {:?}: does ZooKeeper run there, with a quorum?",
            config.connect_timeout
        )),
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::Context;
    use election_core::{Candidate, Coordinator};
    use testkit::need::{self, Tool};
    use testkit::proxy::Proxy;
    use testkit::zk::Zk;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Who was connected to another server may have lost a deletion with that.
    #[tokio::test(flavor = "multi_thread")]
    async fn after_a_reconnect_the_records_that_nobody_holds_are_removed() -> anyhow::Result<()> {
        if !need::has(Tool::ZooKeeper) {
            return Ok(());
        }
        let server = Zk::single().await?;
        let proxy = Proxy::to(&server.endpoints()[0]).await?;
        let coordinator = crate::connect(&format!("zk://{}?timeout=20s", proxy.endpoint())).await?;
        let leadership = coordinator.elector("e")?.campaign(Candidate::new("held")?).await?;
        let Phase::Live(session) = coordinator.shared().phase.borrow().clone() else {
            anyhow::bail!("no session")
        };
        let stray = "/election/e/_c_c8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11-stray-latch-";
        let mode = zk::CreateMode::EphemeralSequential.with_acls(session.acls());
        session.client.create(stray, b"", &mode).await?;
        let admin = server.admin().await?;
        anyhow::ensure!(admin.records("/election/e").await?.len() == 2);

        proxy.cut().await?;
        proxy.heal().await?;
        let left = testkit::until("the end of the stray record", PATIENCE, || async {
            let records = admin.records("/election/e").await?;
            Ok((records.len() < 2).then_some(records))
        });
        let left = left.await?;
        let held = left.first().context("the record that is held is gone, too")?;
        anyhow::ensure!(held.key.contains("-held-"), "{held:?}");
        leadership.check()?;
        Ok(())
    }
}
