//! [`Noted`]: an elector of which every campaign and every resign is recorded.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use election_core::{Candidate, ElectionName, Elector, LeaderEvents, Leadership, LeadershipHandle};
use futures::FutureExt;

use super::retry::reason;
use super::work::Watched;
use crate::history::{Event, Op, Phase, Recorder};

/// How long a resign may take, whatever the service does. Longer than any TTL of a run.
const RESIGN_WITHIN: Duration = Duration::from_secs(60);

/// A wrapper of a process's elector. Whatever is built on an [`Elector`] can be put upon it, and is recorded campaign by
/// campaign: [`ElectorExt::lead`](election_core::ElectorExt::lead) makes several until it is elected.
pub(super) struct Noted<'a> {
    elector: &'a dyn Elector,
    recorder: &'a Arc<Recorder>,
    /// `<id>/<incarnation>`.
    writer: &'a str,
    /// Of this process, over all its coordinators. One at a time.
    campaigns: &'a AtomicU64,
    state: Mutex<State>,
}

/// What goes on at the moment.
#[derive(Default)]
enum State {
    #[default]
    Idle,
    Campaigns,
    Leads(Watched),
}

impl<'a> Noted<'a> {
    pub(super) fn new(
        elector: &'a dyn Elector,
        recorder: &'a Arc<Recorder>,
        writer: &'a str,
        campaigns: &'a AtomicU64,
    ) -> Self {
        Self { elector, recorder, writer, campaigns, state: Mutex::default() }
    }

    /// The leadership that the last campaign won.
    pub(super) fn watched(&self, handle: LeadershipHandle) -> Watched {
        let campaign = self.campaigns.load(Ordering::SeqCst);
        Watched { handle, recorder: Arc::clone(self.recorder), campaign }
    }

    /// True from a win on, until it is resigned or abandoned.
    pub(super) fn leads(&self) -> bool {
        matches!(*self.state(), State::Leads(_))
    }

    /// Drops what campaigns or leads on this elector, and records what ends with it.
    pub(super) fn abandon<F>(&self, future: F, why: &str) -> Result<()> {
        let state = std::mem::take(&mut *self.state());
        match state {
            State::Idle => drop(future),
            State::Campaigns => {
                drop(future);
                // Its record is being withdrawn in the background.
                self.recorder.record(Event { reason: Some(why.into()), ..self.event(Phase::Info) })?;
            }
            State::Leads(watched) => {
                watched.recorder.record(watched.event(Op::Drop, Phase::Invoke))?;
                drop(future);
                watched.recorder.record(watched.event(Op::Drop, Phase::Ok))?;
                // It must fail, which is recorded, too.
                let _ = watched.check()?;
            }
        }
        Ok(())
    }

    fn event(&self, phase: Phase) -> Event {
        Event { number: Some(self.campaigns.load(Ordering::SeqCst)), ..Event::new(Op::Campaign, phase) }
    }

    fn note(&self, event: Event) -> election_core::Result<()> {
        self.recorder.record(event).map_err(unwritten)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A history that cannot be written proves nothing: it ends the process, as an error that is not retried.
fn unwritten(error: anyhow::Error) -> election_core::Error {
    use election_core::{Error, Kind, Operation};
    Error::new(Kind::InvalidConfig, Operation::Campaign).message(format!("{error:#}"))
}

#[async_trait]
impl Elector for Noted<'_> {
    fn election(&self) -> &ElectionName {
        self.elector.election()
    }

    async fn campaign(&self, candidate: Candidate) -> election_core::Result<Leadership> {
        let number = self.campaigns.fetch_add(1, Ordering::SeqCst) + 1;
        let candidate = candidate.with_value(format!("{}/{number}", self.writer))?;
        self.note(self.event(Phase::Invoke))?;
        *self.state() = State::Campaigns;
        let ended = self.elector.campaign(candidate).await;
        match &ended {
            Ok(leadership) => {
                self.note(Event {
                    token: Some(leadership.token().get()),
                    clock_ns: Some(leadership.now().as_nanos()),
                    valid_until: leadership.valid_until().ok().map(|at| at.as_nanos()),
                    ..self.event(Phase::Ok)
                })?;
                *self.state() = State::Leads(self.watched(leadership.handle()));
            }
            Err(error) => {
                *self.state() = State::Idle;
                let (reason, note) = (Some(reason(error)), Some(error.to_string()));
                self.note(Event { reason, note, ..self.event(Phase::Fail) })?;
            }
        }
        ended
    }

    /// From its begin on every check must fail, which is recorded, too.
    async fn resign(&self, leadership: Leadership) -> election_core::Result<()> {
        let watched = self.watched(leadership.handle());
        // A resign that is dropped resigns nevertheless: there is nothing to record any more.
        *self.state() = State::Idle;
        self.note(watched.event(Op::Resign, Phase::Invoke))?;
        let mut resign = pin!(self.elector.resign(leadership));
        // Begun, and mostly not over: the claim has ended by now.
        let early = resign.as_mut().now_or_never();
        self.note(watched.event(Op::Resign, Phase::Info))?;
        let _ = watched.check().map_err(unwritten)?;
        let resigned = match early {
            Some(resigned) => Some(resigned),
            None => tokio::time::timeout(RESIGN_WITHIN, resign).await.ok(),
        };
        let Some(resigned) = resigned else {
            return self
                .note(Event { reason: Some("hangs".into()), ..watched.event(Op::Resign, Phase::Info) });
        };
        self.note(match &resigned {
            Ok(()) => watched.event(Op::Resign, Phase::Ok),
            Err(error) => {
                let (reason, note) = (Some(reason(error)), Some(error.to_string()));
                Event { reason, note, ..watched.event(Op::Resign, Phase::Fail) }
            }
        })?;
        resigned
    }

    fn observe(&self) -> LeaderEvents {
        self.elector.observe()
    }
}

impl fmt::Debug for Noted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noted").field("elector", &self.elector).finish_non_exhaustive()
    }
}
