//! [`Keeper`]: the one task of a process that owns its session, renews it, and removes its records.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::error::CallError;
use super::link::Link;
use super::state::{SessionId, Standing, Ticket};
use crate::backoff::Backoff;
use crate::candidate::ElectionName;
use crate::error::{Operation, Result};
use crate::leadership::{LeadershipHandle, Loss};
use crate::session::SessionState;

/// A session, as its process knows it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) state: Arc<SessionState>,
}

/// A won seat: what is needed to notice that its record has gone.
pub(super) struct Seat {
    pub(super) session: Arc<Session>,
    pub(super) handle: LeadershipHandle,
    pub(super) watch: Arc<Notify>,
}

/// What the other parts of a process ask of the task.
pub(super) enum Command {
    /// A live session: the present one, or a new one.
    Open(oneshot::Sender<Result<Arc<Session>, CallError>>),
    /// Ends the leadership when its record goes.
    Watch(Seat),
    /// Removes a record of the session, if it is still there.
    Withdraw { session: Arc<Session>, ticket: Ticket, outcome: oneshot::Sender<Result<()>> },
    /// Ends the session and the task.
    Close(oneshot::Sender<Result<()>>),
}

/// What the task shares with the other parts of its process.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link,
    /// The present session. Written by the task only.
    session: Mutex<Option<Arc<Session>>>,
    pub(super) closed: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(link: Link) -> Self {
        Self { link, session: Mutex::new(None), closed: watch::Sender::new(false) }
    }

    /// The session, as long as it is proven.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.as_ref().filter(|session| session.state.valid().is_ok()).cloned()
    }

    /// Puts another session, or none, in the place of the present one.
    fn replace_session(&self, session: Option<Arc<Session>>) -> Option<Arc<Session>> {
        std::mem::replace(&mut *self.session.lock().unwrap_or_else(PoisonError::into_inner), session)
    }
}

/// The task. It ends when it is told to, or when nobody is left to tell it anything.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// Who waits for the session that is being opened.
    waiting: Vec<oneshot::Sender<Result<Arc<Session>, CallError>>>,
    opening: Option<BoxFuture<'static, Result<Arc<Session>, CallError>>>,
    renewing: Option<BoxFuture<'static, Arc<Session>>>,
    /// The won seats of the present session.
    seats: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Withdrawals and closed sessions that the service has not confirmed yet.
    farewells: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::UnboundedReceiver<Command>) -> Self {
        Self {
            shared,
            commands,
            waiting: Vec::new(),
            opening: None,
            renewing: None,
            seats: FuturesUnordered::new(),
            farewells: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let confirm = loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Close(confirm)) => break Some(confirm),
                    Some(command) => self.obey(command),
                    None => break None,
                },
                opened = present(&mut self.opening) => self.opened(opened),
                ended = present(&mut self.renewing) => if *self.shared.closed.borrow() {
                    // Whoever closes ends the claims first; the command comes next, and is to be answered for.
                    self.renewing = None;
                } else {
                    self.ended(&ended);
                },
                Some(()) = self.seats.next() => {}
                Some(()) = self.farewells.next() => {}
            }
        };
        let outcome = self.say_goodbye().await;
        if let Some(confirm) = confirm {
            // Whoever asked may have stopped waiting.
            let _ = confirm.send(outcome);
        }
    }

    fn obey(&mut self, command: Command) {
        let shared = self.shared.clone();
        match command {
            Command::Open(reply) => match shared.session() {
                Some(session) => drop(reply.send(Ok(session))),
                None => {
                    self.waiting.push(reply);
                    self.opening.get_or_insert_with(|| Box::pin(open(shared)));
                }
            },
            Command::Watch(seat) => self.seats.push(Box::pin(watch_seat(shared, seat))),
            Command::Withdraw { session, ticket, outcome } => {
                self.farewells.push(Box::pin(withdraw(shared, session, ticket, outcome)));
            }
            Command::Close(_) => unreachable!("handled by the loop"),
        }
    }

    fn opened(&mut self, opened: Result<Arc<Session>, CallError>) {
        self.opening = None;
        if let Ok(session) = &opened {
            // A predecessor that lapsed this very moment is closed like any other.
            if let Some(before) = self.shared.replace_session(None) {
                self.ended(&before);
            }
            self.shared.replace_session(Some(session.clone()));
            self.renewing = Some(Box::pin(renew(self.shared.clone(), session.clone())));
        }
        for reply in self.waiting.drain(..) {
            let _ = reply.send(opened.clone());
        }
    }

    /// The session has ended here. What the service still has of it stands in others' way.
    fn ended(&mut self, session: &Arc<Session>) {
        self.renewing = None;
        self.seats.clear();
        self.shared.replace_session(None);
        let (shared, id) = (self.shared.clone(), session.id);
        self.farewells.push(Box::pin(async move {
            let _ = shared.link.call(|state, _| state.close(id)).await;
        }));
    }

    async fn say_goodbye(mut self) -> Result<()> {
        if let Some(opening) = self.opening.take() {
            // The service may have opened it: it would be in nobody's hands.
            self.opened(opening.await);
        }
        let mut outcome = Ok(());
        if let Some(session) = self.shared.replace_session(None) {
            session.state.end(Loss::Closed);
            let closed = self.shared.link.call(|state, _| state.close(session.id)).await;
            outcome = closed.map(drop).map_err(|error| {
                error
                    .during(Operation::Close)
                    .message("not confirmed: what is left goes with the session's TTL")
            });
        }
        // The records went with the session: those who wait for a withdrawal can be told.
        let rest = async { while self.farewells.next().await.is_some() {} };
        let _ = timeout(self.shared.link.attempt_timeout(), rest).await;
        outcome
    }
}

/// The future's result; never, while there is none.
async fn present<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn open(shared: Arc<Shared>) -> Result<Arc<Session>, CallError> {
    let service = shared.link.service();
    // Before the request is sent: the service cannot have started the TTL earlier.
    let sent = service.clock().now();
    let id = shared.link.call(|state, now| state.open(now)).await?;
    let state = SessionState::new(service.clock().clone(), sent + service.timing().validity());
    Ok(Arc::new(Session { id, state }))
}

/// Renews the session until it ends.
async fn renew(shared: Arc<Shared>, session: Arc<Session>) -> Arc<Session> {
    let service = shared.link.service();
    let timing = *service.timing();
    let mut retry = Backoff::new(timing.renew_every / 16, timing.renew_every / 2);
    let mut pause = timing.renew_every;
    loop {
        tokio::select! {
            _ = session.state.ended() => return session,
            () = sleep(pause) => {}
        }
        let sent = service.clock().now();
        pause = match shared.link.call(|state, now| state.renew(now, session.id)).await {
            Ok(true) => {
                // An end that came first stays: `ended` reports it.
                let _ = session.state.prove(sent, timing.validity());
                retry.reset();
                timing.renew_every
            }
            Ok(false) => {
                session.state.end(Loss::SessionExpired);
                return session;
            }
            Err(_) => retry.next_delay(),
        };
    }
}

/// Asks where a candidacy stands until the service answers.
pub(super) async fn standing(
    link: &Link,
    session: &Session,
    election: &ElectionName,
    token: crate::FencingToken,
) -> Standing {
    let mut retry = Backoff::new(link.attempt_timeout() / 16, link.attempt_timeout());
    loop {
        match link.call(|state, _| state.standing(session.id, election, token)).await {
            Ok(standing) => return standing,
            Err(_) => sleep(retry.next_delay()).await,
        }
    }
}

/// Ends a leadership when its record has gone. Dropped when the session ends.
async fn watch_seat(shared: Arc<Shared>, Seat { session, handle, watch }: Seat) {
    loop {
        watch.notified().await;
        match standing(&shared.link, &session, handle.election(), handle.token()).await {
            Standing::Leading => {}
            Standing::SessionGone => return session.state.end(Loss::SessionExpired),
            Standing::RecordGone => return handle.end(Loss::Deposed),
            Standing::Waiting => unreachable!("the queue put somebody before its first"),
        }
    }
}

/// Removes a record, again and again; tells the outcome within the TTL.
///
/// It goes on after that for as long as the session lives: as long as that is renewed, so is the record.
async fn withdraw(
    shared: Arc<Shared>,
    session: Arc<Session>,
    ticket: Ticket,
    outcome: oneshot::Sender<Result<()>>,
) {
    let removed = persist(&shared.link, session.id, ticket);
    tokio::pin!(removed);
    // The outcome is for whoever still waits for it.
    match timeout(shared.link.service().timing().validity(), &mut removed).await {
        Ok(()) => drop(outcome.send(Ok(()))),
        Err(_) => {
            let _ = outcome.send(Err(CallError::NoAnswer
                .during(Operation::Resign)
                .message("not confirmed within the TTL: the record goes with the session")));
            tokio::select! {
                () = removed => {}
                _ = session.state.ended() => {}
            }
        }
    }
}

async fn persist(link: &Link, session: SessionId, ticket: Ticket) {
    let mut retry = Backoff::new(link.attempt_timeout() / 16, link.attempt_timeout());
    while link.call(|state, _| state.withdraw(session, ticket)).await.is_err() {
        sleep(retry.next_delay()).await;
    }
}
