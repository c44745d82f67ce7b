//! A candidacy from its first request to its last: join, wait, win, leave.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use election_core::{Backoff, Candidate, ElectionName, Error, Kind, Leadership, Loss, Operation, Result};
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error;
use crate::keys;
use crate::names::{Name, Names};
use crate::proof::swap;
use crate::record::Record;
use crate::removal::Removal;
use crate::requests::{self, Ahead, Created};
use crate::servers::Bound;
use crate::session::{Passage, Session};
use crate::shared::Shared;
use crate::waiting;

/// Campaigns: see [`Elector::campaign`](election_core::Elector::campaign).
pub(crate) async fn campaign(
    shared: &Arc<Shared>,
    election: &ElectionName,
    names: &Arc<Names>,
    candidate: Candidate,
) -> Result<Leadership> {
    let mut sessions = 0;
    let Joined { candidacy, ahead, revision } = loop {
        sessions += 1;
        match join(shared, election, names, &candidate).await {
            // Nothing of this candidacy has existed yet: the next session is as good.
            Err(NotIn { error, untouched: true }) if sessions < 3 => tracing::debug!(%error, "joining anew"),
            joined => break joined.map_err(|not_in| not_in.error)?,
        }
    };
    if let Some(ahead) = ahead {
        waiting::wait(&candidacy, ahead, revision).await?;
    }
    candidacy.win(candidate)
}

async fn join(
    shared: &Arc<Shared>,
    election: &ElectionName,
    names: &Arc<Names>,
    candidate: &Candidate,
) -> Result<Joined, NotIn> {
    let entry = shared.enter().await?;
    let abandoned = Arc::new(AtomicBool::new(false));
    let join = Join {
        shared: shared.clone(),
        session: entry.session().clone(),
        election: election.clone(),
        names: names.clone(),
        prefix: keys::prefix(&shared.config.root, election),
        candidate: candidate.clone(),
        abandoned: abandoned.clone(),
    };
    Uncancelled { future: Some(Box::pin(join.run(entry))), abandoned, runtime: shared.runtime.clone() }.await
}

/// A join that goes on in the background when it is dropped: a request on its way cannot be called back, so its
/// outcome must be seen, and what it has made must be removed (which dropping the candidacy does).
struct Uncancelled {
    future: Option<BoxFuture<'static, Result<Joined, NotIn>>>,
    abandoned: Arc<AtomicBool>,
    runtime: Handle,
}

impl Future for Uncancelled {
    type Output = Result<Joined, NotIn>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let joined = ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(joined)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        #[cfg(zoo)]
        if election_core::zoo::planted("etcd-cancelled-candidate-stays") {
            return;
        }
        if let Some(future) = self.future.take() {
            self.abandoned.store(true, Ordering::SeqCst);
            self.runtime.spawn(async move { drop(future.await) });
        }
    }
}

/// A candidacy whose record exists. Dropping it removes the record in the background.
pub(crate) struct Candidacy {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: Arc<Session>,
    pub(crate) record: Arc<Record>,
    pub(crate) prefix: Vec<u8>,
    /// Its name, to be given back; unless a request that names it may still be under way.
    name: Option<(Arc<Names>, Name)>,
    /// Still to be removed.
    standing: bool,
}

impl Candidacy {
    /// Nobody is ahead, in a revision in which the record existed.
    fn win(self, candidate: Candidate) -> Result<Leadership> {
        let (record, state) = (self.record.clone(), self.session.state.clone());
        let release = Box::new(move || self.release());
        let leadership = Leadership::new(record.election.clone(), candidate, record.token(), state, release)
            .map_err(|error| error.backend(crate::BACKEND))?;
        record.set_leader(leadership.handle());
        Ok(leadership)
    }

    /// Removes the record and tells whether that was confirmed.
    fn release(mut self) -> oneshot::Receiver<Result<()>> {
        let (confirm, confirmed) = oneshot::channel();
        self.leave(Some(confirm));
        confirmed
    }

    fn leave(&mut self, confirm: Option<oneshot::Sender<Result<()>>>) {
        if !std::mem::replace(&mut self.standing, false) {
            return;
        }
        let passage = self.session.depart(&self.record);
        if self.record.mark_over() {
            self.shared.sentinel.forget(&self.record);
        }
        let removal = Removal {
            shared: self.shared.clone(),
            session: self.session.clone(),
            election: self.record.election.clone(),
            key: self.record.key.clone(),
            name: self.name.take(),
            lease: Some(self.record.place().lease),
            _passage: Some(passage),
            confirm,
        };
        self.shared.runtime.spawn(removal.run());
    }
}

impl Drop for Candidacy {
    fn drop(&mut self) {
        self.leave(None);
    }
}

struct Joined {
    candidacy: Candidacy,
    ahead: Option<Ahead>,
    revision: i64,
}

/// Why a candidate did not get in.
struct NotIn {
    error: Error,
    /// The session had died before a record of this candidacy existed.
    untouched: bool,
}

impl From<Error> for NotIn {
    fn from(error: Error) -> Self {
        Self { error, untouched: false }
    }
}

struct Join {
    shared: Arc<Shared>,
    session: Arc<Session>,
    election: ElectionName,
    names: Arc<Names>,
    prefix: Vec<u8>,
    candidate: Candidate,
    /// Nobody waits for it any more.
    abandoned: Arc<AtomicBool>,
}

impl Join {
    async fn run(self, entry: Passage) -> Result<Joined, NotIn> {
        let name = self.names.take(&self.prefix, self.session.lease().0, self.candidate.id());
        let mut uncertain = false;
        let mut joined = self.join(&name.key, &mut uncertain).await;
        drop(entry);
        if !uncertain {
            if let Ok(joined) = &mut joined {
                joined.candidacy.name = Some((self.names, name));
            }
            return joined;
        }
        // A request that names the lease may still be obeyed, also after the record was removed: replacing the
        // lease makes that impossible.
        self.session.poison();
        if joined.is_err() {
            // And this removes what it may have made by now.
            let Self { shared, session, election, .. } = self;
            let removal = Removal {
                shared,
                session,
                election,
                key: name.key,
                name: None,
                lease: None,
                _passage: None,
                confirm: None,
            };
            tokio::spawn(removal.run());
        }
        joined
    }

    async fn join(&self, key: &[u8], uncertain: &mut bool) -> Result<Joined, NotIn> {
        let start = Instant::now();
        let bound = self.shared.bound();
        let mut backoff = Backoff::default();
        loop {
            // Held until the record is in: the lease is not revoked before.
            let lease = self.session.lease();
            let request = (self.prefix.as_slice(), key, self.candidate.value().as_ref(), lease.0);
            let error =
                match requests::create(&self.shared.servers, Bound::once(bound.attempt), request).await {
                    Ok(created) => {
                        *uncertain |= !created.once;
                        return Ok(self.settle(key, created).await?);
                    }
                    Err(error) => error,
                };
            match error.kind() {
                Kind::Unavailable | Kind::Timeout => {
                    *uncertain = true;
                    let delay = backoff.next_delay();
                    let abandoned = self.abandoned.load(Ordering::SeqCst);
                    if abandoned || start.elapsed() + delay > bound.total {
                        return Err(self.shared.servers.gave_up(error, bound.total).into());
                    }
                    tokio::time::sleep(delay).await;
                }
                // The lease is gone: revoked after a swap, or by an administrator, or expired.
                Kind::SessionLost if self.session.lease().0 != lease.0 => {}
                Kind::SessionLost => {
                    self.session.state.end(Loss::SessionExpired);
                    return Err(NotIn { error, untouched: !*uncertain });
                }
                _ => return Err(error.into()),
            }
            if let Err(loss) = self.session.state.valid() {
                return Err(error::from_loss(loss, Operation::Campaign).into());
            }
        }
    }

    /// Takes the record in, on the session's present lease.
    async fn settle(&self, key: &[u8], created: Created) -> Result<Joined> {
        let Created { created, place, revision, view, .. } = created;
        let record = Arc::new(Record::new(self.election.clone(), key.to_vec(), created, place));
        // From here on an error drops the candidacy, which removes the record.
        let candidacy = Candidacy {
            shared: self.shared.clone(),
            session: self.session.clone(),
            record: record.clone(),
            prefix: self.prefix.clone(),
            name: None,
            standing: true,
        };
        while !self.session.settle(&record) {
            // The lease was replaced while the request was on its way.
            let lease = self.session.lease();
            swap::move_all(
                &self.shared.servers,
                self.session.attempt(),
                std::slice::from_ref(&record),
                lease.0,
            )
            .await?;
            self.session.state.valid().map_err(|loss| error::from_loss(loss, Operation::Campaign))?;
            if record.is_gone() {
                return Err(error::new(Kind::SessionLost, Operation::Campaign));
            }
        }
        self.shared.sentinel.guard(&record);
        let (revision, ahead) = match view {
            Some(ahead) => (revision, ahead),
            // Created by an attempt whose answer was lost: look who is ahead.
            None => waiting::look(&candidacy, revision).await?,
        };
        Ok(Joined { candidacy, ahead, revision })
    }
}
