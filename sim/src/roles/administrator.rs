//! The administrator: asks for changes of the members and for the removal of records until they are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backend_raft::{RaftAdmin, RaftConfig};
use election_core::{ElectionName, Error, Kind};
use rand::Rng;
use rand::rngs::StdRng;
use testkit::history::{Effect, Fault, Phase};
use tokio::sync::watch;
use tokio::time::sleep;

use super::told;
use crate::journal::Pen;
use crate::machine::Shared;

/// What an administrator is to do.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Remove the member of this id.
    Remove(u64),
    /// Remove the record of whoever leads that election.
    Delete(ElectionName),
}

/// What it is to do, one after the other, and how much of it is done. That outlives his process.
#[derive(Clone)]
pub(crate) struct Tasks {
    all: watch::Sender<Vec<Task>>,
    done: Arc<AtomicUsize>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { all: watch::Sender::new(vec![]), done: Arc::default() }
    }

    pub(crate) fn add(&self, task: Task) {
        self.all.send_modify(|all| all.push(task));
    }

    async fn next(&self) -> Task {
        let (mut all, done) = (self.all.subscribe(), self.done.load(Ordering::SeqCst));
        let next = all.wait_for(|all| all.len() > done).await;
        match next.ok().and_then(|all| all.get(done).cloned()) {
            Some(task) => task,
            // The sender is here.
            None => std::future::pending().await,
        }
    }
}

/// Does one task after the other until it is to end.
pub(super) async fn run(
    config: &RaftConfig,
    machine: usize,
    shared: &Shared,
    pen: &Pen,
    mut rng: StdRng,
) -> Result<(), Error> {
    let admin = RaftAdmin::new(config)?;
    let mut orders = shared.stop.clone();
    let work = async {
        loop {
            match shared.tasks.next().await {
                Task::Remove(member) => {
                    until_done(pen, &mut rng, || admin.remove_member(member, false)).await?;
                }
                Task::Delete(election) => delete(&admin, &election, shared, pen, &mut rng).await?,
            }
            shared.tasks.done.fetch_add(1, Ordering::SeqCst);
        }
    };
    tokio::select! {
        ended = work => ended,
        () = told(&mut orders, |orders| orders.all || orders.drain == Some(machine)) => Ok(()),
    }
}

/// Asks again and again, unless the answer is that it will never be done.
async fn until_done<T, F>(pen: &Pen, rng: &mut StdRng, ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask().await {
            Err(error) if error.kind() != Kind::InvalidConfig => pen.note(&error.to_string()),
            answer => return answer,
        }
        sleep(Duration::from_millis(rng.random_range(5..50))).await;
    }
}

/// Removes the record of whoever leads, if somebody does. The fault is over when the answer is certain: a request that
/// was given up may still be carried out, and after an answer it does nothing more.
async fn delete(
    admin: &RaftAdmin,
    election: &ElectionName,
    shared: &Shared,
    pen: &Pen,
    rng: &mut StdRng,
) -> Result<(), Error> {
    let queue = until_done(pen, rng, || admin.queue(election)).await?;
    let Some((place, token)) = queue.first().and_then(|first| Some((first, first.token?))) else {
        return Ok(());
    };
    let fault = Fault {
        number: shared.journal.number(),
        kind: "delete-record".into(),
        target: place.id.clone(),
        effect: Effect::Deposes,
        token: Some(token.get()),
        ..Fault::default()
    };
    let tell = |phase| shared.journal.fault_in(election.as_str(), pen.time.now(), &fault, phase);
    tell(Phase::Invoke);
    tell(Phase::Info);
    until_done(pen, rng, || admin.remove(election, place)).await?;
    tell(Phase::Info);
    tell(Phase::Ok);
    Ok(())
}
