//! Answers requests of clients, wherever they come from.

use std::sync::Arc;

use election_core::ElectionName;
use election_core::clock::Instant;
use futures::{StreamExt, stream};
use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::changes::Changes;
use super::renewals::known_leader;
use super::seal::Seal;
use super::service::{Parts, Reply, fatal};
use super::status;
use crate::metering;
use crate::network::{Answer, Caller, Failure, Item, ItemStream, Request, Response, SessionKey, limits};
use crate::state_machine::{Command, Outcome, SessionId};

/// The most elections in one answer.
const CONTESTS: usize = 1000;

/// What clients may ask of a node.
pub(crate) struct Clients {
    pub(super) parts: Arc<Parts>,
    /// How many more requests may be under way in the log. A renewal needs none: it finds no more than these in
    /// front of it, however many clients there are.
    turns: Arc<Semaphore>,
    /// How many more backups may be handed out: each lies in memory until its last byte is taken.
    pub(super) backups: Arc<Semaphore>,
}

pub(super) fn forbidden<T>(why: &str) -> Result<T, Failure> {
    Err(Failure::Forbidden { why: why.into() })
}

/// Whose a session is.
enum Owner {
    Caller,
    /// There is no such session, or no longer.
    Nobody,
}

impl Clients {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { parts, turns: semaphore(limits::TURNS), backups: semaphore(limits::BACKUPS) }
    }

    /// Serves a request.
    pub(crate) async fn serve(&self, caller: &Caller, request: Request) -> Answer {
        Answer::Once(match request {
            Request::Open { key, ttl_ms } => {
                let nonce = Seal::new(key, &caller.origin).to_bits();
                self.write(caller, Command::OpenSession { nonce, ttl_ms }).await
            }
            Request::Write { key, command } => self.write_own(caller, key, command).await,
            Request::Administer(command) => self.administer(caller, command).await,
            Request::Renew { session, key } => self.renew(caller, session, key).await,
            Request::Read { election } => match self.confirm_for(&election).await {
                Ok(()) => Ok(Response::View(self.parts.replica.view(&election))),
                Err(failure) => Err(failure),
            },
            Request::Queue { election } => match self.confirm_for(&election).await {
                Ok(()) => Ok(Response::Queue(self.parts.replica.places(&election))),
                Err(failure) => Err(failure),
            },
            Request::WatchSession { session, key } => match self.watch_session(caller, session, key) {
                Ok(items) => return Answer::Stream(items),
                Err(failure) => Err(failure),
            },
            Request::Observe { election } => match self.observe(&election).await {
                Ok(items) => return Answer::Stream(items),
                Err(failure) => Err(failure),
            },
            Request::Status => Ok(Response::Status(status::of(&self.parts))),
            Request::Change(change) => match self.is_admin(caller) {
                Ok(()) => Changes::make(&self.parts, change).await,
                Err(failure) => Err(failure),
            },
            Request::Contests { after } => match self.parts.renewals.confirm().await {
                Ok(()) => Ok(Response::Contests(self.parts.replica.contests(&after, CONTESTS))),
                Err(failure) => Err(failure),
            },
            Request::Backup => match self.backup(caller).await {
                Ok(items) => return Answer::Stream(items),
                Err(failure) => Err(failure),
            },
            Request::WatchMembers if self.parts.replica.serving().is_none() => Err(self.not_leader()),
            Request::WatchMembers => return Answer::Stream(status::watch_members(&self.parts)),
            Request::Append(_)
            | Request::Vote(_)
            | Request::PreVote(_)
            | Request::Snapshot(_)
            | Request::Transfer(_) => forbidden("it is for members of the group only"),
        })
    }

    /// Writes something about a session, for its owner only.
    async fn write_own(&self, caller: &Caller, key: SessionKey, command: Command) -> Reply {
        let (session, if_gone) = match &command {
            Command::Campaign { candidacy, .. } => (candidacy.session, Outcome::NoSession),
            Command::Withdraw { candidacy, .. } => (candidacy.session, Outcome::Absent),
            Command::CloseSession { session } => (*session, Outcome::Absent),
            Command::OpenSession { .. }
            | Command::ExpireSessions { .. }
            | Command::Remove { .. }
            | Command::Enroll { .. } => {
                return forbidden(
                    "only a campaign, a withdrawal or the end of one's own session is written so",
                );
            }
        };
        match self.owner(caller, session, key).await? {
            Owner::Caller => self.write(caller, command).await,
            // Not written: the log would apply it to a session that gets this very id meanwhile.
            Owner::Nobody => Ok(Response::Written { index: 0, outcome: if_gone }),
        }
    }

    async fn administer(&self, caller: &Caller, command: Command) -> Reply {
        self.is_admin(caller)?;
        match command {
            Command::Remove { .. } | Command::CloseSession { .. } => self.write(caller, command).await,
            _ => forbidden("an administrator removes records and ends sessions, nothing else"),
        }
    }

    fn is_admin(&self, caller: &Caller) -> Result<(), Failure> {
        match caller.origin.is_admin() {
            true => Ok(()),
            false => forbidden("its certificate is a client's; an administrator's, or a member's, is needed"),
        }
    }

    /// Whose a session is; an error if it is somebody else's.
    async fn owner(&self, caller: &Caller, session: SessionId, key: SessionKey) -> Result<Owner, Failure> {
        let seal = Seal::new(key, &caller.origin);
        let look = || self.parts.replica.nonce(session).map(|nonce| seal.opens(nonce));
        // A session that this copy knows is known for good, whoever leads. One that it does not know may have
        // been opened a moment ago, under another leader.
        let known = match look() {
            Some(known) => Some(known),
            None => {
                self.parts.renewals.confirm().await?;
                look()
            }
        };
        match known {
            Some(true) => Ok(Owner::Caller),
            Some(false) => forbidden("the session belongs to somebody else"),
            None => Ok(Owner::Nobody),
        }
    }

    async fn renew(&self, caller: &Caller, session: SessionId, key: SessionKey) -> Reply {
        if self.parts.replica.nonce(session).is_some_and(|nonce| !Seal::new(key, &caller.origin).opens(nonce))
        {
            return forbidden("the session belongs to somebody else");
        }
        self.parts.renewals.renew(session).await.map(Response::Renewed)
    }

    /// Waits for a place among the requests under way: first among those of the same origin, then among all. So
    /// whoever sends many waits behind his own, and the others find a short queue.
    async fn turn(&self, caller: &Caller) -> Result<[OwnedSemaphorePermit; 2], Failure> {
        let closed = |_| fatal("it is shutting down");
        let turn = async {
            let own = caller.shares.turns.clone().acquire_owned().await.map_err(closed)?;
            Ok([own, self.turns.clone().acquire_owned().await.map_err(closed)?])
        };
        tokio::time::timeout(self.parts.patience, turn).await.unwrap_or_else(|_| {
            let (one, all) = (limits::TURNS_PER_ORIGIN, limits::TURNS);
            let what = format!(
                "{} has {one} requests under way, the most it may, or all together have {all}: send fewer at once",
                caller.origin
            );
            metering::refused("requests");
            Err(Failure::Full { what })
        })
    }

    /// Writes to the log and waits until it is applied.
    ///
    /// The write itself is on a task of its own: a caller that hangs up has asked for it all the same, and must
    /// not get its turn back before it is done.
    async fn write(&self, caller: &Caller, command: Command) -> Reply {
        if let Err(refusal) = command.check() {
            return Ok(Response::Written { index: 0, outcome: Outcome::Refused(refusal) });
        }
        let turn = self.turn(caller).await?;
        let parts = self.parts.clone();
        let written = tokio::spawn(async move {
            let _turn = turn;
            write(&parts, command).await
        });
        written.await.unwrap_or_else(|error| Err(fatal(error)))
    }

    /// Waits until this node is confirmed as Raft leader, for the sake of `election`.
    async fn confirm_for(&self, election: &str) -> Result<(), Failure> {
        if let Err(error) = ElectionName::new(election) {
            return forbidden(&error.to_string());
        }
        self.parts.renewals.confirm().await
    }

    fn not_leader(&self) -> Failure {
        Failure::NotLeader { leader: known_leader(&self.parts.raft) }
    }

    fn watch_session(
        &self,
        caller: &Caller,
        session: SessionId,
        key: SessionKey,
    ) -> Result<ItemStream, Failure> {
        let watch = self.parts.replica.watch_session(session).ok_or_else(|| self.not_leader())?;
        if self.parts.replica.nonce(session).is_some_and(|nonce| !Seal::new(key, &caller.origin).opens(nonce))
        {
            return forbidden("the session belongs to somebody else");
        }
        let events = stream::unfold(watch.events, |mut events| async {
            let event = events.recv().await?;
            Some((event, events))
        });
        // If the session is gone, there is nothing after the first.
        Ok(stream::iter([watch.first]).chain(events).map(Item::Session).boxed())
    }

    async fn observe(&self, election: &str) -> Result<ItemStream, Failure> {
        self.confirm_for(election).await?;
        let views = self.parts.replica.watch_election(election).ok_or_else(|| self.not_leader())?;
        let views = stream::unfold((views, true), |(mut views, first)| async move {
            if !first {
                views.changed().await.ok()?;
            }
            let view = views.borrow_and_update().clone();
            Some((Item::View(view), (views, false)))
        });
        Ok(views.boxed())
    }
}

pub(super) async fn write(parts: &Parts, command: Command) -> Reply {
    let raft = &parts.raft;
    let started = Instant::now();
    loop {
        let left = parts.patience.saturating_sub(Instant::now().saturating_duration_since(started));
        let written = tokio::time::timeout(left, raft.client_write(command.clone())).await;
        let error = match written {
            Err(_) => return Err(Failure::Unknown),
            Ok(Ok(response)) => {
                if let Outcome::Refused(refusal) = response.data {
                    metering::refused_by_state(refusal);
                }
                return Ok(Response::Written { index: response.log_id.index, outcome: response.data });
            }
            Ok(Err(error)) => error,
        };
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                // A fresh leader takes no writes before its first word from a quorum. That is a matter
                // of one round trip, shorter than sending the client away.
                let fresh = forward.leader_id.is_none_or(|id| id == *raft.node_id()) && raft.is_leader();
                if !fresh || left.is_zero() {
                    return Err(Failure::NotLeader { leader: forward.leader_id });
                }
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => return Err(Failure::Unknown),
            RaftError::APIError(other) => return Err(Failure::Forbidden { why: other.to_string() }),
            RaftError::Fatal(error) => return Err(fatal(error)),
        }
    }
}
