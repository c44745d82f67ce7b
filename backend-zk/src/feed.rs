//! The task behind a [`Feed`](crate::observe::Feed): follows one election for all its observers.
//!
//! One persistent recursive watch on the election's znode tells who comes and who goes, by name, also while the
//! znode does not exist; the one request per change of leadership reads the new leader's value. The client does
//! not set such a watch again after a reconnect (its `resend_watches` never counts them in), and events of the
//! time between would be lost anyway (ZOOKEEPER-4698), so after each reconnect it is set and all is read anew.

use std::collections::HashSet;
use std::sync::Arc;

use election_core::clock::Instant;
use election_core::{Backoff, FencingToken, Kind, Leader, LeaderEvent};
use futures::FutureExt;
use futures::future::join;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use zookeeper_client as zk;

use crate::coordinator::Shared;
use crate::error::{Failure, kind};
use crate::observe::Seen;
use crate::owner::Phase;
use crate::record;
use crate::session::Session;

/// Why the feed stopped following.
enum Stop {
    /// Nobody observes any more.
    Unobserved,
    /// The connection or the session was lost: go on with the next.
    Broken,
    /// For good.
    Failed(Kind, Arc<str>),
}

impl From<zk::Error> for Stop {
    fn from(error: zk::Error) -> Self {
        let kind = kind(&error);
        if kind.is_retryable() {
            return Self::Broken;
        }
        let error = election_core::Error::from(Failure(election_core::Operation::Observe, error));
        Self::Failed(kind, error.to_string().into())
    }
}

struct Task {
    shared: Arc<Shared>,
    parent: String,
    questions: mpsc::UnboundedReceiver<u64>,
    seen: watch::Sender<Seen>,
    /// The newest question that was asked.
    asked: u64,
    /// The state that is published is not older than this question.
    answered: u64,
    down_since: Option<Instant>,
    /// The newest leader that was read on this session. A service that was restored from a backup has other sessions.
    newest: Option<FencingToken>,
}

/// What is known of the election.
#[derive(Default)]
struct View {
    children: HashSet<String>,
    /// The leader as read, and the name of its record.
    leader: Option<(String, Leader)>,
}

impl Task {
    /// Whether a leader was seen on this session before that is newer than a record which is there now: then servers
    /// have lost the record's deletion, and nobody leads with it (see [`held`](crate::held)).
    fn is_relapse(&mut self, token: FencingToken) -> bool {
        let older = self.newest.is_some_and(|newest| token < newest);
        self.newest = self.newest.max(Some(token));
        older
    }
}

pub(crate) async fn run(
    shared: Arc<Shared>,
    parent: String,
    questions: mpsc::UnboundedReceiver<u64>,
    seen: watch::Sender<Seen>,
) {
    let mut task =
        Task { shared, parent, questions, seen, asked: 0, answered: 0, down_since: None, newest: None };
    if let Stop::Failed(kind, why) = task.follow().await {
        task.seen.send_modify(|seen| seen.ended = Some((kind, why)));
    }
}

impl Task {
    /// Follows the election from session to session.
    async fn follow(&mut self) -> Stop {
        let mut phases = self.shared.phase.clone();
        loop {
            let phase = phases.borrow_and_update().clone();
            match phase {
                Phase::Live(session) => match self.follow_on(&session).await {
                    Stop::Broken => {}
                    stop => return stop,
                },
                Phase::Closed => return Stop::Failed(Kind::Closed, "".into()),
                Phase::Down(outage) if !outage.kind.is_retryable() => {
                    return Stop::Failed(outage.kind, outage.why.as_str().into());
                }
                Phase::Opening | Phase::Down(_) => self.disconnected(),
            }
            loop {
                tokio::select! {
                    changed = phases.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Stop::Failed(Kind::Closed, "".into()),
                    },
                    question = self.questions.recv() => match question {
                        Some(question) => self.asked = question,
                        None => return Stop::Unobserved,
                    },
                }
                self.disconnected();
            }
        }
    }

    /// Follows the election on one session, from connection to connection.
    async fn follow_on(&mut self, session: &Arc<Session>) -> Stop {
        let mut states = session.client.state_watcher();
        // For as long as the session lasts: the client keeps the watch while it is disconnected.
        let _room = match session.lookout.observe(&self.parent) {
            Ok(room) => room,
            Err(error) => return Stop::Failed(error.kind(), error.to_string().into()),
        };
        self.newest = None;
        let mut backoff = Backoff::default();
        loop {
            let stop = {
                let ended = session.state.ended();
                tokio::pin!(ended);
                tokio::select! {
                    biased;
                    _ = &mut ended => Stop::Broken,
                    stop = self.track(session) => stop,
                }
            };
            let Stop::Broken = stop else { return stop };
            self.disconnected();
            sleep(backoff.next_delay()).await;
            // Requests wait in the client while it is disconnected; the observers should not wait with them.
            while states.state() != zk::SessionState::SyncConnected {
                tokio::select! {
                    _ = session.state.ended() => return Stop::Broken,
                    _ = states.changed() => {}
                    question = self.questions.recv() => match question {
                        Some(question) => { self.asked = question; self.disconnected(); }
                        None => return Stop::Unobserved,
                    },
                }
            }
            if session.state.valid().is_err() {
                return Stop::Broken;
            }
        }
    }

    /// Follows the election on one connection.
    async fn track(&mut self, session: &Session) -> Stop {
        match self.try_track(session).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn try_track(&mut self, session: &Session) -> Result<std::convert::Infallible, Stop> {
        let client = &session.client;
        self.take_questions()?;
        // The watch first, so that no change falls between it and the list; the write makes the list no older
        // than any claim that was made before (a `sync` is answered by a deposed leader, too).
        let watch = client.watch(&self.parent, zk::AddWatchMode::PersistentRecursive);
        let (watcher, written) = join(watch, session.write_mark()).await;
        let mut watcher = watcher?;
        written?;
        let asked = self.asked;
        let mut view = View { children: self.list(client).await?, leader: None };
        self.settle(client, &mut view, asked).await?;
        loop {
            tokio::select! {
                event = watcher.changed() => {
                    self.apply(&mut view, &event)?;
                    self.drain(&mut watcher, &mut view)?;
                    self.settle(client, &mut view, self.answered).await?;
                }
                question = self.questions.recv() => {
                    self.asked = question.ok_or(Stop::Unobserved)?;
                    self.take_questions()?;
                    let asked = self.asked;
                    // The events of all that was committed before come before its answer.
                    session.write_mark().await?;
                    self.drain(&mut watcher, &mut view)?;
                    self.settle(client, &mut view, asked).await?;
                }
            }
        }
    }

    async fn list(&self, client: &zk::Client) -> Result<HashSet<String>, Stop> {
        match client.list_children(&self.parent).await {
            Err(zk::Error::NoNode) => Ok(HashSet::new()),
            listed => Ok(listed?.into_iter().collect()),
        }
    }

    /// Reads the leader if it has changed, and publishes the state as an answer to `question`.
    async fn settle(&mut self, client: &zk::Client, view: &mut View, question: u64) -> Result<(), Stop> {
        loop {
            let Some(name) = record::first(&view.children) else {
                view.leader = None;
                self.publish(LeaderEvent::Vacant, question);
                return Ok(());
            };
            if let Some((known, leader)) = &view.leader
                && known == name
            {
                self.publish(LeaderEvent::Elected(leader.clone()), question);
                return Ok(());
            }
            let name = name.to_owned();
            match client.get_data(&format!("{}/{name}", self.parent)).await {
                Ok((value, stat)) => {
                    let id = record::candidate_id(&name).to_owned();
                    let token = FencingToken::new(stat.czxid.unsigned_abs());
                    if self.is_relapse(token) {
                        tracing::warn!(record = name, "servers have brought back a record that was deleted");
                        view.children.remove(&name);
                        continue;
                    }
                    view.leader = Some((name, Leader { id, value: value.into(), token }));
                }
                // Gone already; its event follows.
                Err(zk::Error::NoNode) => {
                    view.children.remove(&name);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn apply(&self, view: &mut View, event: &zk::WatchedEvent) -> Result<(), Stop> {
        let child = event.path.strip_prefix(&self.parent).map(|rest| rest.strip_prefix('/').unwrap_or(rest));
        match (event.event_type, child) {
            // A terminal state is the last event that there is; after any other all is read anew.
            (zk::EventType::Session, _) => return Err(Stop::Broken),
            (zk::EventType::NodeCreated, Some(child)) if !child.is_empty() => {
                view.children.insert(child.to_owned());
            }
            (zk::EventType::NodeDeleted, Some(child)) => {
                view.children.remove(child);
            }
            (zk::EventType::NodeDataChanged, Some(child)) => {
                view.leader.take_if(|(name, _)| name == child);
            }
            _ => {}
        }
        Ok(())
    }

    /// Applies the events that have come already.
    fn drain(&self, watcher: &mut zk::PersistentWatcher, view: &mut View) -> Result<(), Stop> {
        while let Some(event) = watcher.changed().now_or_never() {
            self.apply(view, &event)?;
        }
        Ok(())
    }

    fn take_questions(&mut self) -> Result<(), Stop> {
        loop {
            match self.questions.try_recv() {
                Ok(question) => self.asked = question,
                Err(mpsc::error::TryRecvError::Empty) => return Ok(()),
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(Stop::Unobserved),
            }
        }
    }

    fn publish(&mut self, event: LeaderEvent, question: u64) {
        self.answered = self.answered.max(question);
        if !matches!(event, LeaderEvent::Disconnected { .. }) {
            self.down_since = None;
        }
        let answers = self.answered;
        self.seen.send_if_modified(|seen| {
            let changed = seen.answers != answers || seen.event.as_ref() != Some(&event);
            *seen = Seen { event: Some(event), answers, ended: None };
            changed
        });
    }

    /// Tells the observers, whatever they asked.
    fn disconnected(&mut self) {
        let since = *self.down_since.get_or_insert_with(|| self.shared.clock.now());
        self.publish(LeaderEvent::Disconnected { since, last: None }, self.asked);
    }
}
