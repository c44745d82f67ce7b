//! [`Candidacy`]: one entrant's way from joining the queue to leading or leaving.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use super::coordinator::MemoryCoordinator;
use super::error::{BACKEND, closed};
use super::session::{Command, Seat, Session, standing};
use super::state::{Standing, Ticket};
use crate::candidate::{Candidate, ElectionName};
use crate::error::{Error, Kind, Operation, Result};
use crate::leadership::{Leadership, Loss, Release};
use crate::token::FencingToken;

/// A candidacy that may have a record in the service. Dropping it has the record removed.
struct Candidacy {
    session: Arc<Session>,
    ticket: Ticket,
    /// `None` once the leadership has taken over the duty to remove the record.
    commands: Option<mpsc::UnboundedSender<Command>>,
}

impl Candidacy {
    /// The leadership's way to give up the record.
    fn into_release(mut self) -> Release {
        let (session, ticket, commands) = (self.session.clone(), self.ticket, self.commands.take());
        Box::new(move || {
            let (outcome, told) = oneshot::channel();
            if let Some(commands) = commands {
                // Fails when the task has ended, and then the session has, too.
                let _ = commands.send(Command::Withdraw { session, ticket, outcome });
            }
            told
        })
    }
}

impl Drop for Candidacy {
    fn drop(&mut self) {
        if let Some(commands) = self.commands.take() {
            let (outcome, _) = oneshot::channel();
            let _ = commands.send(Command::Withdraw {
                session: self.session.clone(),
                ticket: self.ticket,
                outcome,
            });
        }
    }
}

pub(super) async fn campaign(
    coordinator: &MemoryCoordinator,
    election: &ElectionName,
    candidate: Candidate,
) -> Result<Leadership> {
    let session = coordinator.session().await.map_err(|error| error.election(election))?;
    // Armed before the first request that can leave a record: from here on every way out removes it.
    let candidacy = Candidacy {
        session: session.clone(),
        ticket: coordinator.next_ticket(),
        commands: Some(coordinator.commands().clone()),
    };
    let watch = Arc::new(Notify::new());
    let (entrant, own_watch) = (candidate.clone(), watch.clone());
    let joined = coordinator
        .link()
        .call(|state, _| state.join(session.id, candidacy.ticket, election, entrant, own_watch))
        .await
        .map_err(|error| error.during(Operation::Campaign).election(election))?;
    let Some((token, standing)) = joined else {
        session.state.end(Loss::SessionExpired);
        return Err(lost(election, Loss::SessionExpired));
    };
    if standing != Standing::Leading {
        wait(coordinator, &session, election, token, &watch).await?;
    }
    let release = candidacy.into_release();
    let leadership = Leadership::new(election.clone(), candidate, token, session.state.clone(), release)
        .map_err(|error| error.backend(BACKEND))?;
    let seat = Seat { session, handle: leadership.handle(), watch };
    // Fails when the task has ended: the session has ended with it, and so has this leadership.
    let _ = coordinator.commands().send(Command::Watch(seat));
    Ok(leadership)
}

/// Waits until the record is the first of the queue.
///
/// What the watch says is only a reason to ask: one answer shows both that nobody is ahead and that our own
/// record is still there, so a candidate whose record has gone cannot win.
async fn wait(
    coordinator: &MemoryCoordinator,
    session: &Session,
    election: &ElectionName,
    token: FencingToken,
    watch: &Notify,
) -> Result<()> {
    loop {
        let standing = async {
            watch.notified().await;
            standing(coordinator.link(), session, election, token).await
        };
        let standing = tokio::select! {
            loss = session.state.ended() => return Err(lost(election, loss)),
            standing = standing => standing,
        };
        match standing {
            Standing::Leading => return Ok(()),
            Standing::Waiting => {}
            Standing::RecordGone => return Err(lost(election, Loss::Deposed)),
            Standing::SessionGone => {
                session.state.end(Loss::SessionExpired);
                return Err(lost(election, Loss::SessionExpired));
            }
        }
    }
}

fn lost(election: &ElectionName, loss: Loss) -> Error {
    match loss {
        Loss::Closed => closed(Operation::Campaign),
        Loss::SessionExpired | Loss::Deposed | Loss::Unproven => {
            Error::new(Kind::SessionLost, Operation::Campaign).backend(BACKEND).source(loss)
        }
    }
    .election(election)
}
