//! [`Entry`]: the record of one candidacy, from the create that is under way to its removal.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use election_core::backend::Release;
use election_core::{Error, FencingToken, Kind, Operation, Result};
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture, join};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use zookeeper_client as zk;

use crate::coordinator::Shared;
use crate::error::{BACKEND, Failure, is_passing, kind};
use crate::held::Hold;
use crate::session::{Session, pauses};

type Creating = BoxFuture<'static, Result<(zk::Stat, zk::CreateSequence), zk::Error>>;

/// A record that is withdrawn when this is dropped, whatever has become of it until then.
pub(crate) struct Entry {
    pub(crate) session: Arc<Session>,
    /// Kept until the record is gone: the session ends with the last of its holders.
    shared: Arc<Shared>,
    parent: Arc<str>,
    /// The path without its sequence.
    prefix: Arc<str>,
    value: Bytes,
    record: Record,
    hold: Option<Hold>,
}

enum Record {
    /// There is none.
    Absent,
    /// The request has been sent. It is never cancelled: its answer says what there is to remove.
    Creating(Creating),
    /// The reply was lost: there may be one.
    Unknown,
    /// There is one.
    Present(Present),
}

#[derive(Clone)]
pub(crate) struct Present {
    pub(crate) path: Arc<str>,
    pub(crate) token: FencingToken,
}

impl Present {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.path, |(_, name)| name)
    }
}

impl Entry {
    pub(crate) fn new(
        session: Arc<Session>,
        shared: Arc<Shared>,
        parent: String,
        name: &str,
        value: Bytes,
    ) -> Self {
        let prefix: Arc<str> = format!("{parent}/{name}").into();
        let hold = Some(session.held.hold(prefix.clone()));
        Self { session, shared, parent: parent.into(), prefix, value, record: Record::Absent, hold }
    }

    /// Creates the record and reads the queue in the same round trip; both again after a lost connection.
    pub(crate) async fn join(&mut self) -> Result<(Present, Vec<String>)> {
        let mut backoff = pauses();
        loop {
            let error = match self.try_join().await {
                Ok(joined) => return Ok(joined),
                Err(zk::Error::NoNode) => match self.session.create_election(&self.parent).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !is_passing(&error) && error != zk::Error::NoNode {
                return Err(Failure(Operation::Campaign, error).into());
            }
            sleep(backoff.next_delay()).await;
        }
    }

    async fn try_join(&mut self) -> Result<(Present, Vec<String>), zk::Error> {
        #[cfg(zoo)]
        let early = election_core::zoo::planted("zk-queue-read-before-the-second-create");
        #[cfg(not(zoo))]
        let early = false;
        if !early {
            self.settle().await?;
        }
        let (session, parent) = (self.session.clone(), self.parent.clone());
        // Polled in this order, so sent in this order, and served in this order: the list is no older than the record.
        // So nothing may be left to find out before the create.
        let list = async move { session.client.list_children(&parent).await };
        let (created, listed) = join(self.create(), list).await;
        Ok((created?, listed?))
    }

    /// Finds out what became of a create whose reply was lost.
    async fn settle(&mut self) -> Result<(), zk::Error> {
        if let Record::Unknown = self.record {
            let found = find(&self.session, &self.parent, &self.prefix).await?;
            self.record = found.map_or(Record::Absent, Record::Present);
        }
        Ok(())
    }

    async fn create(&mut self) -> Result<Present, zk::Error> {
        self.settle().await?;
        if let Record::Absent = self.record {
            let (session, prefix, value) = (self.session.clone(), self.prefix.clone(), self.value.clone());
            let create = async move {
                let mode = zk::CreateMode::EphemeralSequential.with_acls(session.acls());
                session.client.create(&prefix, &value, &mode).await
            };
            self.record = Record::Creating(create.boxed());
        }
        match &mut self.record {
            Record::Present(present) => Ok(present.clone()),
            Record::Creating(create) => {
                let created = create.await;
                self.created(created)
            }
            Record::Absent | Record::Unknown => unreachable!("both were replaced above"),
        }
    }

    fn created(
        &mut self,
        created: Result<(zk::Stat, zk::CreateSequence), zk::Error>,
    ) -> Result<Present, zk::Error> {
        match created {
            Ok((stat, sequence)) if stat.czxid > 0 => {
                let present = present(format!("{}{sequence}", self.prefix), &stat);
                self.record = Record::Present(present.clone());
                Ok(present)
            }
            // A server of 3.4 sends no stat: it is read back.
            Ok(_) => {
                self.record = Record::Unknown;
                Err(zk::Error::ConnectionLoss)
            }
            Err(error) => {
                let absent = changed_nothing(&error);
                #[cfg(zoo)]
                let absent = absent || election_core::zoo::planted("zk-second-record-after-a-lost-reply");
                self.record = if absent { Record::Absent } else { Record::Unknown };
                Err(error)
            }
        }
    }

    /// Withdraws, in the background, a record of which it is not known yet whether it is there: the create's answer says
    /// so, if it comes.
    fn withdraw_later(&self, create: Option<Creating>) {
        let (parent, prefix) = (self.parent.clone(), self.prefix.clone());
        let (session, shared) = (self.session.clone(), self.shared.clone());
        self.shared.runtime.spawn(async move {
            let withdrawn = bounded(&session, async {
                match OptionFuture::from(create).await {
                    Some(Ok((_, sequence))) => delete(&session, &format!("{prefix}{sequence}")).await,
                    Some(Err(error)) if changed_nothing(&error) => Ok(()),
                    Some(Err(_)) | None => withdraw(&session, &parent, &prefix).await,
                }
            });
            drop((withdrawn.await, shared));
        });
    }

    /// Gives the record to a leadership, which removes it when it is resigned or dropped.
    pub(crate) fn hand_over(mut self, present: &Present) -> Release {
        self.record = Record::Absent;
        let (session, shared, path) =
            (Arc::downgrade(&self.session), self.shared.clone(), present.path.clone());
        let hold = self.hold.take();
        Box::new(move || {
            drop(hold);
            remove(&shared, &session, &path)
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let session = Arc::downgrade(&self.session);
        #[cfg(zoo)]
        if election_core::zoo::planted("zk-cancelled-candidate-stays") {
            return;
        }
        match std::mem::replace(&mut self.record, Record::Absent) {
            Record::Absent => {}
            Record::Present(present) => drop(remove(&self.shared, &session, &present.path)),
            Record::Creating(create) => self.withdraw_later(Some(create)),
            Record::Unknown => self.withdraw_later(None),
        }
    }
}

fn present(path: String, stat: &zk::Stat) -> Present {
    #[cfg(zoo)]
    if election_core::zoo::planted("zk-sequence-as-token") {
        let sequence = path.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0);
        return Present { path: path.into(), token: FencingToken::new(sequence) };
    }
    // A zxid is never negative: the epoch in its high half is below 2³¹.
    Present { path: path.into(), token: FencingToken::new(stat.czxid.unsigned_abs()) }
}

/// Whether a create that failed so has certainly created nothing.
fn changed_nothing(error: &zk::Error) -> bool {
    match kind(error) {
        Kind::SessionLost | Kind::PermissionDenied | Kind::InvalidConfig => true,
        _ => matches!(error, zk::Error::NoNode | zk::Error::Throttled | zk::Error::NotReadOnly),
    }
}

/// The record of a create whose reply was lost.
///
/// The answer is definite: the leader has dealt with everything of the old connection before the `sync`, or
/// refuses it now because the session has moved.
async fn find(session: &Session, parent: &str, prefix: &str) -> Result<Option<Present>, zk::Error> {
    let sync = session.client.sync(parent);
    let list = session.client.list_children(parent);
    let (synced, listed) = join(sync, list).await;
    synced?;
    let children = match listed {
        Err(zk::Error::NoNode) => return Ok(None),
        listed => listed?,
    };
    let own = children.iter().map(|name| format!("{parent}/{name}")).find(|path| path.starts_with(prefix));
    let Some(path) = own else { return Ok(None) };
    Ok(session.client.check_stat(&path).await?.map(|stat| present(path, &stat)))
}

async fn withdraw(session: &Session, parent: &str, prefix: &str) -> Result<(), zk::Error> {
    let mut backoff = pauses();
    loop {
        match find(session, parent, prefix).await {
            Ok(Some(present)) => return delete(session, &present.path).await,
            Ok(None) => return Ok(()),
            Err(error) if is_passing(&error) => sleep(backoff.next_delay()).await,
            Err(error) => return Err(error),
        }
    }
}

async fn delete(session: &Session, path: &str) -> Result<(), zk::Error> {
    delete_again(session, path, session.client.delete(path, None)).await
}

/// Deletes a record, again after a lost connection.
///
/// No version is compared: the 122 random bits and the sequence in its path never name another record.
async fn delete_again(
    session: &Session,
    path: &str,
    deleted: impl Future<Output = Result<(), zk::Error>>,
) -> Result<(), zk::Error> {
    let mut deleted = deleted.await;
    let mut backoff = pauses();
    loop {
        match deleted {
            Ok(()) | Err(zk::Error::NoNode) => return Ok(()),
            // Its records went with it.
            Err(error) if kind(&error) == Kind::SessionLost => return Ok(()),
            Err(error) if is_passing(&error) => sleep(backoff.next_delay()).await,
            Err(error) => return Err(error),
        }
        deleted = session.client.delete(path, None).await;
    }
}

/// Starts to remove a record. The first request is sent before this returns.
fn remove(shared: &Arc<Shared>, session: &Weak<Session>, path: &Arc<str>) -> oneshot::Receiver<Result<()>> {
    let (reply, outcome) = oneshot::channel();
    let Some(session) = session.upgrade() else {
        // The session is closed, and its records with it.
        let _ = reply.send(Ok(()));
        return outcome;
    };
    let (shared, path) = (shared.clone(), path.clone());
    // The call sends it, on whatever thread this is; only the waiting needs a runtime.
    let deleted = session.client.delete(&path, None);
    shared.clone().runtime.spawn(async move {
        let removed = bounded(&session, delete_again(&session, &path, deleted)).await;
        drop(shared);
        // Nobody may be waiting: a drop resigns, too.
        let _ = reply.send(removed);
    });
    outcome
}

/// Ends a removal with the session, or when the session would have ended by itself.
async fn bounded<F: Future<Output = Result<(), zk::Error>>>(session: &Session, removal: F) -> Result<()> {
    tokio::select! {
        biased;
        removed = timeout(session.timing.ttl, removal) => match removed {
            Ok(removed) => removed.map_err(|error| Failure(Operation::Resign, error).into()),
            Err(_) => Err(not_confirmed()),
        },
        _ = session.state.ended() => Err(not_confirmed()),
    }
}

fn not_confirmed() -> Error {
    Error::new(Kind::Timeout, Operation::Resign)
        .backend(BACKEND)
        .message("no server confirmed the removal of the record; it goes with the session")
}
