//! Changing the members: one change at a time, in steps of which each can be repeated.
//!
//! | step of an addition | if the leader, or whoever asked, dies after it |
//! | --- | --- |
//! | the node says which data directory it has; the roll gives that one the id | asked again, the same |
//! | it becomes a learner: it gets the log, or a snapshot, and has no vote | it learns on; asked again, it goes on |
//! | both majorities, with it and without it, are needed (a joint membership) | the next leader goes on by itself |
//! | the members are those with it | done |
//!
//! A removal is the last two steps. A replacement is one change: the new node comes and the old one goes in the same
//! step, so that a dead member does not count against the majority once more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, watch};

use super::attempt::Attempt;
use super::renewals::known_leader;
use super::service::{Parts, Reply, fatal};
use crate::network::{Change, Failure, Response};

type Done = watch::Receiver<Option<Reply>>;

/// The changes of one node, as Raft leader.
#[derive(Default)]
pub(crate) struct Changes {
    under_way: Mutex<Option<(Change, Done)>>,
    /// Held by whatever changes the members.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Changes {
    /// Keeps changes away; `None` while there is one.
    pub(super) fn quiet(&self) -> Option<OwnedMutexGuard<()>> {
        self.turn.clone().try_lock_owned().ok()
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Change, Done)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, or waits for it if it is being made. It goes on when whoever asked hangs up.
    pub(super) async fn make(parts: &Arc<Parts>, change: Change) -> Reply {
        if parts.replica.serving().is_none() {
            return Err(Failure::NotLeader { leader: known_leader(&parts.raft) });
        }
        let mut done = parts.changes.join(parts, change)?;
        let answered = done.wait_for(Option::is_some).await.map_err(fatal)?;
        answered.clone().unwrap_or(Err(Failure::Unknown))
    }

    fn join(&self, parts: &Arc<Parts>, change: Change) -> Result<Done, Failure> {
        let mut under_way = self.lock();
        match &*under_way {
            Some((other, done)) if done.borrow().is_none() && done.has_changed().is_ok() => {
                let why = || busy(other);
                return if *other == change { Ok(done.clone()) } else { Err(Failure::NotNow { why: why() }) };
            }
            _ => {}
        }
        let (sender, done) = watch::channel(None);
        *under_way = Some((change.clone(), done.clone()));
        let (parts, turn) = (parts.clone(), self.turn.clone());
        tracing::info!(?change, "a change of the members is asked for");
        tokio::spawn(async move {
            let _turn = turn.lock_owned().await;
            let answer = carry_out(&parts, &change).await;
            match &answer {
                Ok(_) => tracing::info!(?change, "the members have changed"),
                Err(failure) => tracing::warn!(?change, %failure, "the members have not changed"),
            }
            sender.send_replace(Some(answer));
        });
        Ok(done)
    }
}

fn busy(other: &Change) -> String {
    let what = match other {
        Change::Add { node, .. } => format!("node {node} is being added"),
        Change::Remove { node, .. } => format!("node {node} is being removed"),
    };
    format!("another change is under way ({what}): ask again when it is done")
}

async fn carry_out(parts: &Parts, change: &Change) -> Reply {
    parts.renewals.confirm().await?;
    let attempt = Attempt { parts, members: parts.replica.members().borrow().clone() };
    attempt.run(change).await?;
    let members = parts.replica.members().borrow().clone();
    Ok(Response::Members(members))
}
