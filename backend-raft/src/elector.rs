//! [`RaftCoordinator`] and its electors.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use election_core::{
    Candidate, Coordinator, ElectionName, Elector, Error, Kind, LeaderEvents, Leadership, Operation, Result,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::candidacy::{Candidacy, Withdrawal, Withdrawals};
use crate::config::RaftConfig;
use crate::error::{self, NodeError};
use crate::network::{Group, Local, Security};
use crate::node::Node;
use crate::observe::Observatory;
use crate::session::Sessions;

/// A coordinator on an embedded Raft group: a member of it, or a client.
///
/// Clones share everything. When the last clone, elector, leadership and observation is dropped, the session
/// is closed and the member stops, in the background; [`close`](Coordinator::close) does the same and waits.
#[derive(Clone)]
pub struct RaftCoordinator(Arc<Shared>);

struct Shared {
    config: RaftConfig,
    group: Arc<Group>,
    sessions: Sessions,
    withdrawals: Withdrawals,
    observatory: Arc<Observatory>,
    /// Ends the session, the observers and then the member.
    stop: CancellationToken,
    /// What became of the closing; `None` until it is done.
    closed: watch::Receiver<Option<Result<(), String>>>,
    /// Why the embedded member stopped by itself; stays `None` in a client.
    member_failed: watch::Receiver<Option<NodeError>>,
    /// Keeps `member_failed` open in a client.
    _no_member: watch::Sender<Option<NodeError>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl RaftCoordinator {
    /// Connects to the group.
    ///
    /// A member is started, and it is not waited for the others: so each of them can be started by one
    /// command, in any order. A client waits until its session is open.
    ///
    /// # Errors
    /// `InvalidConfig` if the configuration cannot work, if a certificate file is not in order, if the data
    /// directory belongs to another group or member or is in use, or if another member refuses this one;
    /// `Unavailable`, in a client, if no Raft leader was found within [`RaftConfig::patience`];
    /// `PermissionDenied`, in a client, if it and the members do not accept each other's certificates.
    ///
    /// # Cancel safety
    /// Dropping the future stops what was started.
    pub async fn connect(config: RaftConfig) -> Result<Self> {
        config.validate()?;
        let security = config.security()?;
        tracing::info!(members = config.members.len(), "{}", config.outlook());
        let node = match &config.node {
            Some(own) => Some(Node::start(&config, own, &security).await?),
            None => None,
        };
        let is_member = node.is_some();
        let coordinator = Self::build(config, node, &security);
        if !is_member {
            let patience = coordinator.0.config.patience;
            coordinator.0.sessions.current(patience, Operation::Connect).await?;
        }
        Ok(coordinator)
    }

    fn build(config: RaftConfig, node: Option<Node>, security: &Security) -> Self {
        let own = node.as_ref().zip(config.node.as_ref()).map(|(node, own)| {
            let local: Arc<dyn Local> = node.service().clone();
            (own.id, local)
        });
        // Long enough for a slow disk: a request that is given up is sent again, and makes it slower still. A
        // member that hangs is noticed earlier, by the renewals.
        let attempt = config.session.attempt_timeout.max(config.raft.election_max * 2);
        let group = Arc::new(Group::new(&config.cluster, &config.by_id(), own, attempt, security));
        let stop = CancellationToken::new();
        let (following, followed) = (group.clone(), stop.clone());
        tokio::spawn(followed.run_until_cancelled_owned(async move { following.follow_members().await }));
        let (withdrawals, queue) = mpsc::unbounded_channel();
        let withdrawing = tokio::spawn(withdraw(group.clone(), queue, stop.clone()));
        let (sessions, keeper) =
            Sessions::start(group.clone(), config.session, config.patience, stop.clone(), withdrawing);
        let patience = config.raft.election_max * 2 + config.session.attempt_timeout;
        let observatory = Arc::new(Observatory::new(group.clone(), patience, stop.child_token()));
        let (done, closed) = watch::channel(None);
        let (no_member, never) = watch::channel(None);
        let member_failed = node.as_ref().map_or(never, Node::failure);
        let stopping = stop.clone();
        tokio::spawn(async move {
            stopping.cancelled().await;
            // The session goes first: closing it needs the group, and so may the own member.
            let result = match keeper.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Some(node) = node {
                node.shutdown().await;
            }
            done.send_replace(Some(result));
        });
        let shared = Shared {
            config,
            group,
            sessions,
            withdrawals,
            observatory,
            stop,
            closed,
            member_failed,
            _no_member: no_member,
        };
        Self(Arc::new(shared))
    }

    /// Waits until the embedded member has stopped by itself, and says why: its disk is full, say, or the
    /// others refuse it. The coordinator then goes on as a client of the other members. In a client it waits
    /// for ever.
    ///
    /// # Cancel safety
    /// Cancel safe: it holds no state.
    pub async fn member_failed(&self) -> Error {
        let mut failed = self.0.member_failed.clone();
        let found = failed.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        match found {
            Some(error) => error.into(),
            // The member was shut down in good order: that is no failure.
            None => std::future::pending().await,
        }
    }

    /// The id of the present session, if one is open: what [`RaftAdmin::end_session`](crate::RaftAdmin) takes.
    #[must_use]
    pub fn session_id(&self) -> Option<u64> {
        self.0.sessions.id()
    }

    /// The configuration it was connected with.
    #[must_use]
    pub fn config(&self) -> &RaftConfig {
        &self.0.config
    }
}

/// Carries out withdrawals, each on its own. After `stop` those that were asked for before are finished.
async fn withdraw(
    group: Arc<Group>,
    mut queue: mpsc::UnboundedReceiver<Withdrawal>,
    stop: CancellationToken,
) {
    let mut under_way = JoinSet::new();
    loop {
        let withdrawal = tokio::select! {
            withdrawal = queue.recv() => withdrawal,
            () = stop.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(withdrawal) = withdrawal else { break };
        while under_way.try_join_next().is_some() {}
        let group = group.clone();
        under_way.spawn(async move { withdrawal.carry_out(&group).await });
    }
    while under_way.join_next().await.is_some() {}
}

impl fmt::Debug for RaftCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftCoordinator")
            .field("cluster", &self.0.config.cluster)
            .field("members", &self.0.group.addresses())
            .field("node", &self.0.config.node.as_ref().map(|node| node.id))
            .finish()
    }
}

#[async_trait]
impl Coordinator for RaftCoordinator {
    fn backend(&self) -> &'static str {
        error::BACKEND
    }

    fn elector(&self, name: &str) -> Result<Arc<dyn Elector>> {
        let election = ElectionName::new(name).map_err(|error| error.backend(error::BACKEND))?;
        Ok(Arc::new(RaftElector { election, shared: self.0.clone() }))
    }

    async fn close(&self) -> Result<()> {
        self.0.stop.cancel();
        self.0.sessions.end_claims();
        let mut closed = self.0.closed.clone();
        let result = closed.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
        match result {
            Some(Ok(())) | None => Ok(()),
            Some(Err(why)) => Err(Error::new(Kind::Unavailable, Operation::Close)
                .backend(error::BACKEND)
                .message(format!("the session's end is not confirmed, it goes with its ttl: {why}"))),
        }
    }
}

/// Access to one election.
struct RaftElector {
    election: ElectionName,
    shared: Arc<Shared>,
}

impl fmt::Debug for RaftElector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftElector").field("election", &self.election).finish()
    }
}

#[async_trait]
impl Elector for RaftElector {
    fn election(&self) -> &ElectionName {
        &self.election
    }

    async fn campaign(&self, candidate: Candidate) -> Result<Leadership> {
        let Shared { config, group, sessions, withdrawals, .. } = &*self.shared;
        let session = sessions
            .current(config.patience, Operation::Campaign)
            .await
            .map_err(|error| error.election(&self.election))?;
        let mut candidacy = Candidacy::enter(session, self.election.clone(), withdrawals.clone());
        let token = candidacy.elected(group, &candidate).await?;
        candidacy.win(candidate, token, self.shared.clone())
    }

    fn observe(&self) -> LeaderEvents {
        self.shared.observatory.observe(self.election.clone(), self.shared.clone())
    }
}
