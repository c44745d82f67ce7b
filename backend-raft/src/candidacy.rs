//! One candidacy, from before its first request until its record is gone.

use std::sync::Arc;
use std::time::Duration;

use election_core::backend::SessionState;
use election_core::{Candidate, ElectionName, Error, FencingToken, Kind, Leadership, Loss, Operation};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error;
use crate::network::{Group, Request, Response};
use crate::observe::Owner;
use crate::registry::News;
use crate::session::Session;
use crate::state_machine::{CandidacyId, Command, Outcome};

/// Takes a candidacy's record out of the queue.
#[derive(Debug)]
pub(crate) struct Withdrawal {
    session: Arc<Session>,
    number: u64,
    election: ElectionName,
    outcome: oneshot::Sender<Result<(), Error>>,
}

/// Where withdrawals go: a task of the coordinator carries them out.
pub(crate) type Withdrawals = mpsc::UnboundedSender<Withdrawal>;

impl Withdrawal {
    /// Asks until the record is gone. After the TTL whoever waits is told that it is not confirmed; the
    /// asking goes on for as long as the session lives, because a renewed session keeps its records.
    pub(crate) async fn carry_out(self, group: &Group) {
        let Self { session, number, election, outcome } = self;
        let mut outcome = Some(outcome);
        let mut repeated = false;
        loop {
            let command = Command::Withdraw {
                candidacy: CandidacyId { session: session.id, number },
                floor: session.candidacies.floor(),
                election: election.as_str().into(),
            };
            let request = Request::Write { key: session.key, command };
            let answer = group.call_counted(request, session.timing.ttl, &mut repeated).await;
            let result = match answer {
                Ok(Response::Written { outcome: Outcome::Removed, .. }) => Ok(()),
                // An earlier attempt whose answer was lost may have removed it.
                Ok(Response::Written { outcome: Outcome::Absent, .. }) if repeated => Ok(()),
                Ok(Response::Written { outcome: Outcome::Absent, .. }) => {
                    Err(error::in_election(Kind::NotLeader, Operation::Resign, &election)
                        .message("the record had gone before"))
                }
                Ok(other) => Err(error::unexpected(Operation::Resign, other)),
                Err(error) => {
                    if let Some(outcome) = outcome.take() {
                        outcome.send(Err(error::group(&error, Operation::Resign).election(&election))).ok();
                    }
                    if session.state.valid().is_ok() {
                        // A refusal comes at once; to ask again must not become a busy loop.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                    // Without a session there is no record for longer than the TTL.
                    session.candidacies.gone(number);
                    return;
                }
            };
            session.candidacies.gone(number);
            if let Some(outcome) = outcome {
                outcome.send(result).ok();
            }
            return;
        }
    }
}

/// A candidacy that is withdrawn when it is dropped. Armed before its first request is sent, so there is no
/// moment at which a dropped campaign could leave something behind.
pub(crate) struct Candidacy {
    session: Arc<Session>,
    election: ElectionName,
    number: u64,
    news: watch::Receiver<News>,
    /// `None` once a leadership has taken over.
    withdrawals: Option<Withdrawals>,
}

impl Candidacy {
    /// A candidacy in `election` under `session`. No request is sent yet.
    pub(crate) fn enter(session: Arc<Session>, election: ElectionName, withdrawals: Withdrawals) -> Self {
        let (number, news) = session.candidacies.enter();
        Self { session, election, number, news, withdrawals: Some(withdrawals) }
    }

    /// Joins the queue and waits for the token.
    pub(crate) async fn elected(
        &mut self,
        group: &Group,
        candidate: &Candidate,
    ) -> Result<FencingToken, Error> {
        let mut news = self.news.clone();
        let granted = async {
            match news.wait_for(|news| *news != News::Waiting).await.map(|news| *news) {
                Ok(News::Granted(token)) => Ok(FencingToken::new(token)),
                Ok(News::Waiting | News::Deposed) | Err(_) => Err(self
                    .error(Kind::SessionLost)
                    .message("the candidacy's record was deleted while it waited: campaign again")),
            }
        };
        let ended = async {
            let loss = self.session.state.ended().await;
            let kind = if loss == Loss::Closed { Kind::Closed } else { Kind::SessionLost };
            Err(self.error(kind).source(loss))
        };
        tokio::select! {
            // The end first: a token that comes with it is worth nothing.
            biased;
            ended = ended => ended,
            granted = granted => granted,
            // Only ever ends with an error: success is told by the news.
            Err(error) = self.join(group, candidate) => Err(error),
        }
    }

    /// Asks for a place in the queue. On success it waits for ever.
    async fn join(&self, group: &Group, candidate: &Candidate) -> Result<(), Error> {
        let command = Command::Campaign {
            candidacy: CandidacyId { session: self.session.id, number: self.number },
            floor: self.session.candidacies.floor(),
            election: self.election.as_str().into(),
            id: candidate.id().as_str().into(),
            value: candidate.value().clone(),
        };
        let answer = group
            .call(Request::Write { key: self.session.key, command }, self.session.patience)
            .await
            .map_err(|error| error::group(&error, Operation::Campaign).election(&self.election))?;
        match answer {
            Response::Written { outcome: Outcome::Queued { seat, token }, .. } => {
                self.session.candidacies.seated(self.number, seat);
                if let Some(token) = token {
                    self.session.candidacies.granted(self.number, token);
                }
                std::future::pending().await
            }
            Response::Written { outcome: Outcome::NoSession, .. } => {
                self.session.state.end(Loss::SessionExpired);
                Err(self.error(Kind::SessionLost).message("the session has expired: campaign again"))
            }
            Response::Written { outcome: Outcome::Withdrawn, .. } => Err(self
                .error(Kind::SessionLost)
                .message("the candidacy's record was deleted while it was being queued: campaign again")),
            Response::Written { outcome: Outcome::Refused(refusal), .. } => {
                Err(error::refusal(refusal, Operation::Campaign).election(&self.election))
            }
            other => Err(error::unexpected(Operation::Campaign, other).election(&self.election)),
        }
    }

    /// Turns a won candidacy into a leadership, which withdraws the record when it ends and keeps `owner`
    /// until then.
    pub(crate) fn win(
        mut self,
        candidate: Candidate,
        token: FencingToken,
        owner: Owner,
    ) -> Result<Leadership, Error> {
        let (session, election, number) = (self.session.clone(), self.election.clone(), self.number);
        // From here on the leadership sees to the record, also if it turns out to be too late.
        let withdrawals = self.withdrawals.take();
        let release = Box::new(move || {
            let (outcome, receiver) = oneshot::channel();
            if let Some(withdrawals) = withdrawals {
                withdrawals.send(Withdrawal { session, number, election, outcome }).ok();
            }
            drop(owner);
            receiver
        });
        let state: Arc<SessionState> = self.session.state.clone();
        let leadership = Leadership::new(self.election.clone(), candidate, token, state, release)
            .map_err(|error| error.backend(error::BACKEND))?;
        self.session.candidacies.won(number, leadership.handle());
        Ok(leadership)
    }

    fn error(&self, kind: Kind) -> Error {
        error::in_election(kind, Operation::Campaign, &self.election)
    }
}

impl Drop for Candidacy {
    fn drop(&mut self) {
        if let Some(withdrawals) = self.withdrawals.take() {
            let (outcome, _) = oneshot::channel();
            let (session, election) = (self.session.clone(), self.election.clone());
            // Fails only when the coordinator is gone, and its session with it.
            withdrawals.send(Withdrawal { session, number: self.number, election, outcome }).ok();
        }
    }
}
