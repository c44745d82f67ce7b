//! [`MemoryCoordinator`]: one process that uses a [`Service`](super::Service).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::elector::MemoryElector;
use super::error::{BACKEND, closed};
use super::link::Link;
use super::service::Inner;
use super::session::{Command, Keeper, Session, Shared};
use super::state::Ticket;
use crate::candidate::ElectionName;
use crate::elector::{Coordinator, Elector};
use crate::error::{Operation, Result};
use crate::leadership::Loss;

/// A process that uses a [`Service`](super::Service): its link, its session, and the task that renews it.
///
/// Besides being a [`Coordinator`] it has the faults of a process: its link is severed and healed, its session
/// expires, it crashes. Dropping it with all its electors and leaderships closes its session.
pub struct MemoryCoordinator {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    task: AbortHandle,
    tickets: AtomicU64,
    /// For the electors, which keep it alive.
    this: std::sync::Weak<Self>,
}

impl MemoryCoordinator {
    pub(super) fn new(service: Arc<Inner>) -> Arc<Self> {
        let attempt_timeout = service.timing().attempt_timeout;
        let shared = Arc::new(Shared::new(Link::new(service, attempt_timeout)));
        let (commands, received) = mpsc::unbounded_channel();
        let task = tokio::spawn(Keeper::new(shared.clone(), received).run()).abort_handle();
        Arc::new_cyclic(|this| Self {
            shared,
            commands,
            task,
            tickets: AtomicU64::new(0),
            this: this.clone(),
        })
    }

    /// Cuts the link: a black hole, without a word to either side.
    pub fn sever(&self) {
        self.shared.link.sever();
    }

    /// Mends the link, unless the process has crashed.
    pub fn heal(&self) {
        self.shared.link.heal();
    }

    /// Kills the process: nothing of it is heard again, and its session is left to expire.
    pub fn crash(&self) {
        self.shared.link.crash();
        self.task.abort();
    }

    /// Ends this process's session at the service, as an administrator would; `false` if it has none.
    pub fn expire(&self) -> bool {
        let session = self.shared.session();
        session.is_some_and(|session| self.link().service().look(|state| state.close(session.id)))
    }

    /// A proven session: the present one, or a new one.
    pub(super) async fn session(&self) -> Result<Arc<Session>> {
        if *self.shared.closed.borrow() {
            return Err(closed(Operation::Campaign));
        }
        if let Some(session) = self.shared.session() {
            return Ok(session);
        }
        let (reply, opened) = oneshot::channel();
        let asked = self.commands.send(Command::Open(reply));
        match (asked, opened.await) {
            (Ok(()), Ok(opened)) => opened.map_err(|error| error.during(Operation::Campaign)),
            // The task ends when the coordinator is closed.
            (Err(_), _) | (_, Err(_)) => Err(closed(Operation::Campaign)),
        }
    }

    pub(super) fn next_ticket(&self) -> Ticket {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn commands(&self) -> &mpsc::UnboundedSender<Command> {
        &self.commands
    }

    pub(super) fn link(&self) -> &Link {
        &self.shared.link
    }

    /// Waits until the coordinator is closed.
    pub(super) async fn closed(&self) {
        // Not an error: `self` owns the sender.
        let _ = self.shared.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

#[async_trait]
impl Coordinator for MemoryCoordinator {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn elector(&self, name: &str) -> Result<Arc<dyn Elector>> {
        let election = ElectionName::new(name)?;
        let coordinator = self.this.upgrade().expect("`self` is in the Arc that `new` returned");
        Ok(Arc::new(MemoryElector::new(coordinator, election)))
    }

    async fn close(&self) -> Result<()> {
        // The claims end here and now, whatever becomes of the task.
        self.shared.closed.send_replace(true);
        if let Some(session) = self.shared.session() {
            session.state.end(Loss::Closed);
        }
        let (confirm, confirmed) = oneshot::channel();
        if self.commands.send(Command::Close(confirm)).is_err() {
            return Ok(());
        }
        // Without an answer the task was ending already.
        confirmed.await.unwrap_or(Ok(()))
    }
}

impl fmt::Debug for MemoryCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCoordinator").field("shared", &self.shared).finish_non_exhaustive()
    }
}
