//! Renewals, and reads: one quorum round proves all that arrived before it began.
//!
//! The proof: the round's heartbeats are sent after every arrival in the batch, and a quorum acknowledges
//! them. A later leader needs the vote of one of those who did, given after its acknowledgement; so its first
//! commit lies after each arrival, and the full TTL it then gives every session ends after what is promised
//! here.

use std::time::Duration;

use election_core::clock::Instant;
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot};

use crate::metering;
use crate::network::Failure;
use crate::state_machine::{Replica, SessionId};
use crate::types::{Raft, TypeConfig};

/// How many renewals and reads may wait for the next round.
const BACKLOG: usize = 64 * 1024;

struct Question {
    /// The session to renew; none for a read.
    session: Option<SessionId>,
    /// When it arrived: before the round that confirms it, and after the client took its own time.
    arrival: Instant,
    answer: oneshot::Sender<Result<bool, Failure>>,
}

/// Hands renewals and reads to the task that confirms them.
#[derive(Clone)]
pub(crate) struct Renewals(mpsc::Sender<Question>);

impl Renewals {
    /// Starts the task.
    pub(crate) fn start(raft: Raft, replica: Replica, patience: Duration) -> Self {
        let (sender, queue) = mpsc::channel(BACKLOG);
        tokio::spawn(run(raft, replica, patience, queue));
        Self(sender)
    }

    /// Renews a session. True if it lives until now + TTL at least, false if it is gone or about to go.
    pub(crate) async fn renew(&self, session: SessionId) -> Result<bool, Failure> {
        self.ask(Some(session)).await
    }

    /// Confirms that this node is the Raft leader now, and has applied all that was committed before. However
    /// many ask, a round answers them all: a flood of reads costs no more rounds than one reader.
    pub(crate) async fn confirm(&self) -> Result<(), Failure> {
        self.ask(None).await.map(drop)
    }

    async fn ask(&self, session: Option<SessionId>) -> Result<bool, Failure> {
        let (answer, confirmed) = oneshot::channel();
        let question = Question { session, arrival: Instant::now(), answer };
        let stopped = || Failure::Stopped { why: "the node is shutting down".into() };
        self.0.send(question).await.map_err(|_| stopped())?;
        confirmed.await.map_err(|_| stopped())?
    }
}

async fn run(raft: Raft, replica: Replica, patience: Duration, mut queue: mpsc::Receiver<Question>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BACKLOG).await > 0 {
        let result = confirm(&raft, &replica, patience, &batch).await;
        for (place, question) in batch.drain(..).enumerate() {
            let answer = result.as_ref().map(|renewed| renewed[place]).map_err(Clone::clone);
            question.answer.send(answer).ok();
        }
    }
}

async fn confirm(
    raft: &Raft,
    replica: &Replica,
    patience: Duration,
    batch: &[Question],
) -> Result<Vec<bool>, Failure> {
    let leader = replica.serving().ok_or(Failure::NotLeader { leader: known_leader(raft) })?;
    #[cfg(zoo)]
    if election_core::zoo::planted("raft-renewal-without-quorum") {
        let arrivals = batch.iter().map(|question| (question.session, question.arrival));
        return replica.renew(&leader, arrivals).ok_or(Failure::NotLeader { leader: None });
    }
    let begun = Instant::now();
    confirm_leadership(raft, patience).await?;
    metering::round(Instant::now().saturating_duration_since(begun), batch.len());
    // The same leadership as before the round: its deadlines are the ones that count. Each session is looked
    // at again under the lock, because its expiry may have been proposed while the round was under way.
    let arrivals = batch.iter().map(|question| (question.session, question.arrival));
    replica.renew(&leader, arrivals).ok_or(Failure::NotLeader { leader: None })
}

/// The Raft leader, as far as this node knows, if it is another one.
pub(super) fn known_leader(raft: &Raft) -> Option<u64> {
    use openraft::async_runtime::WatchReceiver;
    let own = *raft.node_id();
    raft.server_metrics().borrow_watched().current_leader.filter(|leader| *leader != own)
}

/// Confirms by a quorum round that begins now that this node is the Raft leader, and waits until it has
/// applied all that was committed before.
///
/// openraft gives a heartbeat one heartbeat interval to be answered, which a busy machine does not always
/// keep. So after two of them an empty entry is committed as well: that is the same proof (each member that
/// accepts it has given its vote to no later leader before), it has more time, and it costs an fsync.
async fn confirm_leadership(raft: &Raft, patience: Duration) -> Result<(), Failure> {
    let heartbeat = Duration::from_millis(raft.config().heartbeat_interval);
    let by_heartbeat = raft.ensure_linearizable(ReadPolicy::ReadIndex);
    let by_entry = async {
        tokio::time::sleep(heartbeat * 2).await;
        raft.write_blank().await.is_ok()
    };
    let confirmed = async {
        tokio::pin!(by_heartbeat, by_entry);
        let (mut no_heartbeat, mut no_entry) = (false, false);
        loop {
            tokio::select! {
                read = &mut by_heartbeat, if !no_heartbeat => match read {
                    Ok(_) => return Ok(()),
                    Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => no_heartbeat = true,
                    Err(error) => return Err(read_failure(&error)),
                },
                written = &mut by_entry, if !no_entry => {
                    if written {
                        return Ok(());
                    }
                    no_entry = true;
                }
                else => return Err(Failure::NoQuorum),
            }
        }
    };
    tokio::time::timeout(patience, confirmed).await.unwrap_or(Err(Failure::NoQuorum))
}

fn read_failure(error: &RaftError<TypeConfig, LinearizableReadError<TypeConfig>>) -> Failure {
    match error {
        RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => {
            Failure::NotLeader { leader: forward.leader_id }
        }
        RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => Failure::NoQuorum,
        RaftError::Fatal(fatal) => Failure::Stopped { why: fatal.to_string() },
    }
}
