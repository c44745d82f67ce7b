//! [`Service`]: the coordination service itself, and its faults.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::coordinator::MemoryCoordinator;
use super::state::State;
use crate::candidate::ElectionName;
use crate::clock::{BootClock, Clock, Instant};
use crate::config::Timing;
use crate::error::Result;
use crate::token::FencingToken;

/// A coordination service in memory. Clones are the same service.
///
/// Its hooks act on the service itself, past every link: they work while it is stopped and while processes
/// are severed, and they show what is really there.
#[derive(Debug, Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

/// Settings of a [`Service`]: see [`Service::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    timing: Timing,
    clock: Arc<dyn Clock>,
}

impl Builder {
    /// How long a session lives that is not renewed; the other durations follow in proportion. The default is
    /// one second.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.timing = Timing::for_ttl(ttl);
        self
    }

    /// The clock of the service and of its coordinators. The default is [`BootClock`]; a test in paused time
    /// gives a [`TokioClock`](crate::clock::TokioClock).
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The service.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::Kind::InvalidConfig) if the TTL is out of bounds: see [`Timing::validate`].
    pub fn build(self) -> Result<Service> {
        self.timing.validate(0)?;
        Ok(Service::with(self))
    }
}

/// One second of TTL, on [`BootClock`].
impl Default for Builder {
    fn default() -> Self {
        Self { timing: Timing::for_ttl(Duration::from_secs(1)), clock: Arc::new(BootClock) }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::with(Builder::default())
    }
}

impl Service {
    /// A service with other settings than the default ones.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn with(Builder { timing, clock }: Builder) -> Self {
        let inner = Inner {
            timing,
            clock,
            state: Mutex::new(State::new(timing.ttl)),
            running: watch::Sender::new(true),
            reaper: Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A process that uses this service: a coordinator with a link and a session of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime: the coordinator's task needs one.
    #[must_use]
    pub fn connect(&self) -> Arc<MemoryCoordinator> {
        self.inner.start_reaper();
        MemoryCoordinator::new(self.inner.clone())
    }

    /// The durations that sessions of this service live by.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.inner.timing
    }

    /// The clock of the service and of its coordinators.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock.clone()
    }

    /// Refuses all requests and ends no session, until [`start`](Self::start).
    pub fn stop(&self) {
        // Under the state's lock, so that no request is being served when this returns.
        let _state = self.inner.state();
        self.inner.running.send_replace(false);
    }

    /// Serves again. Every session lives one full TTL from now, as on the real services.
    pub fn start(&self) {
        let mut state = self.inner.state();
        if !*self.inner.running.borrow() {
            state.extend_all(self.inner.clock.now());
            self.inner.running.send_replace(true);
        }
    }

    /// Removes a candidate's record, as an administrator would; `false` if there is none.
    pub fn delete_record(&self, election: &ElectionName, token: FencingToken) -> bool {
        self.inner.look(|state| state.remove(election, token))
    }

    /// Removes an election with all its records.
    pub fn remove_election(&self, election: &ElectionName) {
        self.inner.look(|state| state.remove_election(election));
    }

    /// How many records an election has.
    #[must_use]
    pub fn records(&self, election: &ElectionName) -> usize {
        self.inner.look(|state| state.records(election))
    }

    /// The tokens of an election's records, in the order of the queue: the first is the leader's.
    #[must_use]
    pub fn tokens(&self, election: &ElectionName) -> Vec<FencingToken> {
        self.inner.look(|state| state.tokens(election))
    }

    /// How many observers follow an election.
    #[must_use]
    pub fn observers(&self) -> usize {
        self.inner.look(|state| state.subscriptions())
    }

    /// How many sessions are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.inner.look(|state| state.sessions())
    }
}

/// What the clones of a [`Service`] and the links to it share.
pub(super) struct Inner {
    timing: Timing,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    running: watch::Sender<bool>,
    /// Ends sessions in time when no request does.
    reaper: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    pub(super) fn timing(&self) -> &Timing {
        &self.timing
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn running(&self) -> watch::Receiver<bool> {
        self.running.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a request; `None` if the service is stopped. Sessions whose time has come are ended first, so a
    /// late timer extends no session.
    pub(super) fn serve<T>(&self, request: impl FnOnce(&mut State, Instant) -> T) -> Option<T> {
        let mut state = self.state();
        if !*self.running.borrow() {
            return None;
        }
        let now = self.clock.now();
        state.expire(now);
        Some(request(&mut state, now))
    }

    /// Looks at the state, or changes it, from outside: also while the service is stopped.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        if *self.running.borrow() {
            state.expire(self.clock.now());
        }
        look(&mut state)
    }

    /// Starts the reaper unless it runs: the runtime that it was started on may have ended.
    fn start_reaper(self: &Arc<Self>) {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        if reaper.as_ref().is_none_or(JoinHandle::is_finished) {
            *reaper = Some(tokio::spawn(reap(Arc::downgrade(self))));
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("running", &*self.running.borrow()).finish_non_exhaustive()
    }
}

/// Ends sessions at their time, until the service is dropped.
async fn reap(service: Weak<Inner>) {
    loop {
        let Some(inner) = service.upgrade() else { return };
        let next = inner.look(|state| state.next_expiry());
        // A session that is opened meanwhile expires a whole TTL from then: not before this sleep ends.
        let ttl = inner.timing.ttl;
        let rest = next.map_or(ttl, |next| next.saturating_duration_since(inner.clock.now()).min(ttl));
        drop(inner);
        // Not less than the timer's grain: a stopped service keeps sessions whose time has come.
        tokio::time::sleep(rest.max(Duration::from_millis(1))).await;
    }
}
