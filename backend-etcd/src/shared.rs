//! [`Shared`]: what the electors, candidacies and observers of one coordinator share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use election_core::{Kind, Loss, Operation, Result};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use crate::config::Config;
use crate::error;
use crate::keeper::{Close, Phase};
use crate::observe::Feeds;
use crate::servers::{Bound, Servers};
use crate::session::{Passage, Session};
use crate::watch::{Hub, Sentinel};

pub(crate) struct Shared {
    pub(crate) servers: Arc<Servers>,
    pub(crate) config: Config,
    pub(crate) hub: Hub,
    pub(crate) sentinel: Sentinel,
    pub(crate) feeds: Feeds,
    pub(crate) clock: Arc<dyn election_core::clock::Clock>,
    /// Where the work goes that a drop starts: a drop may happen outside any runtime.
    pub(crate) runtime: Handle,
    /// What the keeper says about the session.
    pub(crate) phases: watch::Receiver<Phase>,
    /// Tells the keeper that a session is wanted.
    pub(crate) demand: Arc<Notify>,
    /// Set by the first call of close, before anything is sent.
    pub(crate) closing: AtomicBool,
    /// The keeper ends when this is dropped, or asked to close.
    pub(crate) closer: mpsc::Sender<Close>,
}

impl Shared {
    /// The bound of one operation of a user.
    pub(crate) fn bound(&self) -> Bound {
        // Three attempts fit in: with one of three servers silent, the second or third reaches another.
        Bound { attempt: self.config.timeout / 3, total: self.config.timeout }
    }

    /// Enters the present session; opens one if there is none.
    pub(crate) async fn enter(&self) -> Result<Passage> {
        let mut phases = self.phases.clone();
        // A failure of the past is no answer to this demand.
        let mut asked = false;
        // The keeper itself gives up after `timeout`; a second one for a demand that met an attempt under way.
        let bound = self.config.timeout * 2 + Duration::from_millis(100);
        let entered = timeout(bound, async {
            loop {
                if self.closing.load(Ordering::SeqCst) {
                    return Err(closed(Operation::Campaign));
                }
                match &*phases.borrow_and_update() {
                    Phase::Open(session) => {
                        if let Some(entry) = session.enter() {
                            return Ok(entry);
                        }
                    }
                    Phase::Closed => return Err(closed(Operation::Campaign)),
                    Phase::Failed(failure) if asked => return Err(failure.error(Operation::Campaign)),
                    Phase::Failed(_) | Phase::Idle => {}
                }
                self.demand.notify_one();
                asked = true;
                if phases.changed().await.is_err() {
                    return Err(closed(Operation::Campaign));
                }
            }
        });
        entered.await.unwrap_or_else(|_| {
            Err(self.servers.gave_up(error::new(Kind::Unavailable, Operation::Campaign), bound))
        })
    }

    /// Ends every claim at this moment; the keeper removes what is left in the service.
    pub(crate) fn begin_to_close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(session) = self.session() {
            session.state.end(Loss::Closed);
        }
    }

    /// The session that is open at present.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        match &*self.phases.borrow() {
            Phase::Open(session) => Some(session.clone()),
            Phase::Idle | Phase::Failed(_) | Phase::Closed => None,
        }
    }
}

pub(crate) fn closed(operation: Operation) -> election_core::Error {
    error::new(Kind::Closed, operation)
}
