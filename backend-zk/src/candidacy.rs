//! A campaign: join the queue, wait for the one ahead, lead, and watch over the own record all the while.

use std::sync::{Arc, Weak};
use std::time::Duration;

use election_core::{
    Candidate, ElectionName, Error, Kind, Leadership, LeadershipHandle, Loss, Operation, Result,
};
use futures::future::{OptionFuture, join};
use tokio::time::{sleep, timeout};
use zookeeper_client as zk;

use crate::coordinator::Shared;
use crate::entry::{Entry, Present};
use crate::error::{BACKEND, Failure, is_passing, session_lost};
use crate::lookout::Event;
use crate::record::{self, Standing};
use crate::session::{Session, pauses};

/// A leader who is elected at once watches its record only after this time, so that a short leadership costs the
/// servers two requests and no more. A record that is deleted within it is missed no longer than that: the watch
/// is set by a read, which finds it gone.
const SETTLED: Duration = Duration::from_millis(5);

pub(crate) async fn campaign(
    shared: &Arc<Shared>,
    election: &ElectionName,
    candidate: Candidate,
) -> Result<Leadership> {
    let session = shared.session(Operation::Campaign).await?;
    let name = record::new_prefix(candidate.id());
    let value = candidate.value().clone();
    // Withdraws the candidacy when it is dropped: armed before the first request.
    let entry = Entry::new(session.clone(), shared.clone(), shared.path(election), &name, value);
    tokio::select! {
        biased;
        // Bounds all that follows: without proof it comes within the session's timeout.
        loss = session.state.ended() => Err(session_lost(loss, Operation::Campaign)),
        won = elect(shared, election, candidate, entry) => won,
    }
}

async fn elect(
    shared: &Arc<Shared>,
    election: &ElectionName,
    candidate: Candidate,
    mut entry: Entry,
) -> Result<Leadership> {
    let session = entry.session.clone();
    let turn = session.joining.acquire().await;
    let joined = timeout(shared.config.connect_timeout, entry.join()).await;
    let (present, children) = joined.map_err(|_| shared.unavailable(Operation::Campaign))??;
    drop(turn);
    // Whatever ends it, the record is withdrawn, also one that seems to have gone: to find out costs the same request.
    let own = wait(&session, &present, children).await?;
    let (state, release) = (session.state.clone(), entry.hand_over(&present));
    let leadership = Leadership::new(election.clone(), candidate, present.token, state, release)?;
    shared.runtime.spawn(watch_over(leadership.handle(), Arc::downgrade(&session), present, own));
    Ok(leadership)
}

/// Waits until nobody is ahead. Gives back the watch on our own record, if it was set meanwhile.
///
/// Election and ownership are shown by one answer: a list in which our record is and nobody is ahead of it.
async fn wait(session: &Session, own: &Present, mut children: Vec<String>) -> Result<Option<Event>> {
    let mut watch = None;
    let parent = own.path.strip_suffix(own.name()).unwrap_or_default();
    let election = parent.strip_suffix('/').unwrap_or_default();
    loop {
        match record::standing(&children, own.name()) {
            Standing::First => return Ok(watch),
            Standing::Absent => return Err(vanished()),
            Standing::Behind(name) => {
                let ahead = format!("{parent}{name}");
                // A queue may be long, and is read again after the wait.
                drop(std::mem::take(&mut children));
                #[cfg(zoo)]
                if election_core::zoo::planted("zk-no-ownership-check") {
                    let _ = outwait(session, own, &ahead, &mut watch).await;
                    return Ok(watch);
                }
                outwait(session, own, &ahead, &mut watch).await?;
            }
        }
        let listed = session.candidates(election).await;
        children = listed.map_err(|error| Failure(Operation::Campaign, error))?;
    }
}

/// Waits until the record `ahead` is gone; fails if our own goes first.
async fn outwait(session: &Session, own: &Present, ahead: &str, watch: &mut Option<Event>) -> Result<()> {
    let mut backoff = pauses();
    let mut waits_already = watch.is_some();
    let _room = session.lookout.wait(ahead, waits_already)?;
    loop {
        let client = &session.client;
        let room = watch.is_none().then(|| session.lookout.wait(&own.path, waits_already)).transpose()?;
        waits_already = true;
        let mine = OptionFuture::from(room.is_some().then(|| client.check_and_watch_stat(&own.path)));
        let (theirs, mine) = join(client.check_and_watch_stat(ahead), mine).await;
        match mine.zip(room) {
            Some((Ok((Some(stat), watcher)), room)) if stat.czxid.unsigned_abs() == own.token.get() => {
                *watch = Some(Event::new(watcher, room));
            }
            Some((Ok(_), _)) => return Err(vanished()),
            Some((Err(error), _)) if !is_passing(&error) => {
                return Err(Failure(Operation::Campaign, error).into());
            }
            Some((Err(_), _)) | None => {}
        }
        let (Some(mine), Ok((stat, watcher))) = (watch.as_mut(), theirs) else {
            // The connection was lost; the client holds the next request back until there is one again.
            sleep(backoff.next_delay()).await;
            continue;
        };
        if stat.is_none() {
            return Ok(());
        }
        tokio::select! {
            event = &mut mine.changed => {
                *watch = None;
                match event.event_type {
                    zk::EventType::NodeDeleted => return Err(vanished()),
                    zk::EventType::Session => return Err(session_lost(Loss::SessionExpired, Operation::Campaign)),
                    // Somebody wrote to it: watch it anew.
                    _ => {}
                }
            }
            event = watcher.changed() => match event.event_type {
                zk::EventType::NodeDeleted => return Ok(()),
                zk::EventType::Session => return Err(session_lost(Loss::SessionExpired, Operation::Campaign)),
                _ => {}
            }
        }
    }
}

fn vanished() -> Error {
    Error::new(Kind::SessionLost, Operation::Campaign)
        .backend(BACKEND)
        .message("the record of this candidacy was deleted while it waited: campaign again")
}

/// Deposes a leader whose record is deleted. Ends with the record or the session, and keeps neither alive.
async fn watch_over(
    leadership: LeadershipHandle,
    session: Weak<Session>,
    own: Present,
    mut watch: Option<Event>,
) {
    if watch.is_none() {
        sleep(SETTLED).await;
    } else if session.upgrade().is_some_and(|session| session.lookout.is_crowded()) {
        // It is looked for from now on: its room is for those who wait.
        watch = None;
    }
    loop {
        let event = match watch.take() {
            Some(event) => event,
            None => match watch_own(&leadership, &session, &own).await {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(Loss::Deposed) => return depose(&leadership),
                Err(_) => return,
            },
        };
        match event.changed.await.event_type {
            // By us, if it was resigned: then this changes nothing.
            zk::EventType::NodeDeleted => return depose(&leadership),
            // The state of the session has the last word.
            zk::EventType::Session => return,
            _ => {}
        }
    }
}

/// Ends a leadership whose record is gone; if its session has ended before, that is why.
pub(crate) fn depose(leadership: &LeadershipHandle) {
    // The check takes down the loss of the session, and the first reason stays.
    if leadership.check().is_ok() {
        leadership.end(Loss::Deposed);
    }
}

/// Sets the watch on our own record, or leaves it to the renewals if there are too many; the loss if there is
/// nothing to watch any more.
async fn watch_own(
    leadership: &LeadershipHandle,
    session: &Weak<Session>,
    own: &Present,
) -> Result<Option<Event>, Loss> {
    loop {
        leadership.check()?;
        let session = session.upgrade().ok_or(Loss::SessionExpired)?;
        let Some(room) = session.lookout.room(&own.path) else {
            session.lookout.look_for(own.path.clone(), leadership.clone());
            return Ok(None);
        };
        let stat = tokio::select! {
            loss = session.state.ended() => return Err(loss),
            stat = session.client.check_and_watch_stat(&own.path) => stat,
        };
        match stat {
            Ok((Some(stat), watcher)) if stat.czxid.unsigned_abs() == own.token.get() => {
                return Ok(Some(Event::new(watcher, room)));
            }
            Ok(_) => return Err(Loss::Deposed),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}
