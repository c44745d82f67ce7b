//! A client's view of the group: it finds the Raft leader and asks it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use election_core::Backoff;
use election_core::clock::Instant;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::channel::{CallError, Items};
use super::link::Link;
use super::refusal::{Failure, Refused};
use super::roster::{Known, Roster};
use super::server::Answer;
use super::tls::Security;
use super::wire::{Item, Request, Response};
use crate::state_machine::Member;
use crate::types::NodeId;

/// How long the stream of the members may take to be opened before it is tried anew.
const FOLLOW_PATIENCE: Duration = Duration::from_secs(10);

/// The member inside this very process.
pub(crate) trait Local: Send + Sync {
    /// Whether it is the Raft leader and serves: then no message need leave the process.
    fn serves(&self) -> bool;

    /// Serves a request.
    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Answer>;
}

/// Why the group gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no member of {members} answered as Raft leader within {within:?}: {last}")]
pub(crate) struct GroupError {
    /// The members' addresses.
    members: String,
    /// How long it was tried.
    within: Duration,
    /// What the last member said.
    pub(crate) last: CallError,
}

/// What came of asking the embedded member.
enum Own {
    /// There is none, or it is not the Raft leader.
    NotAsked,
    Answered(Answer),
    Unanswered,
}

/// The members, and who of them was the Raft leader last.
pub(crate) struct Group {
    known: Known,
    /// The member to ask first. A guess; a wrong one costs a round trip.
    leader: AtomicU64,
    /// The member that answered last.
    found: watch::Sender<NodeId>,
    /// The member in this process.
    local: Option<(NodeId, Arc<dyn Local>)>,
    /// How long one member may take to answer before the next is asked.
    attempt: Duration,
}

impl Group {
    /// The group as a client sees it, by the list that it was given; `local` is the member in this process.
    pub(crate) fn new(
        cluster: &str,
        members: &BTreeMap<NodeId, String>,
        local: Option<(NodeId, Arc<dyn Local>)>,
        attempt: Duration,
        security: &Security,
    ) -> Self {
        let own = local.as_ref().map(|(own, _)| *own);
        let first = own.or(members.keys().next().copied()).unwrap_or(1);
        Self {
            known: Known::new(cluster, members, security),
            leader: AtomicU64::new(first),
            found: watch::Sender::new(first),
            local,
            attempt,
        }
    }

    /// Every member and the connection to it.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        self.known.roster()
    }

    /// Takes in who the members are now.
    pub(crate) fn learn(&self, members: &[Member]) {
        self.known.learn(members);
    }

    /// Keeps to the members of the present, for as long as it is polled.
    pub(crate) async fn follow_members(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
        let mut leader = self.leader_changes();
        loop {
            if let Ok(mut items) = self.stream(Request::WatchMembers, FOLLOW_PATIENCE).await {
                leader.mark_unchanged();
                loop {
                    let item = tokio::select! {
                        item = items.next() => item,
                        // As for other streams: it may hang on a member that was stopped or cut off.
                        _ = leader.changed() => None,
                    };
                    let Some(Item::Members(members)) = item else { break };
                    backoff.reset();
                    self.learn(&members);
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// The members' addresses, for messages.
    pub(crate) fn addresses(&self) -> String {
        self.roster().values().map(Link::address).collect::<Vec<_>>().join(", ")
    }

    /// Asks the Raft leader, whoever that is, for no longer than `patience`. The request may be sent several
    /// times, so it must do no harm twice.
    pub(crate) async fn call(&self, request: Request, patience: Duration) -> Result<Response, GroupError> {
        self.call_counted(request, patience, &mut false).await
    }

    /// The same; sets `repeated` if an attempt before the one that was answered may have taken effect.
    pub(crate) async fn call_counted(
        &self,
        request: Request,
        patience: Duration,
        repeated: &mut bool,
    ) -> Result<Response, GroupError> {
        match self.ask_own(&request, patience).await {
            Own::Answered(Answer::Once(Ok(response))) => return Ok(response),
            Own::Answered(_) | Own::Unanswered => *repeated = true,
            Own::NotAsked => {}
        }
        self.search(patience, repeated, |link, attempt| {
            let request = request.clone();
            async move { link.call(request, attempt).await }
        })
        .await
    }

    /// Asks the member in this process, if it is the Raft leader.
    async fn ask_own(&self, request: &Request, patience: Duration) -> Own {
        let Some((own, local)) = self.local.as_ref().filter(|(_, local)| local.serves()) else {
            return Own::NotAsked;
        };
        let answer = local.clone().call(request.clone());
        match tokio::time::timeout(patience.min(self.attempt), answer).await {
            Ok(answer) => {
                self.leads(*own);
                Own::Answered(answer)
            }
            Err(_) => Own::Unanswered,
        }
    }

    /// Notes who has answered as leader.
    fn leads(&self, id: NodeId) {
        self.leader.store(id, Ordering::Relaxed);
        self.found.send_if_modified(|found| std::mem::replace(found, id) != id);
    }

    /// Asks `next` first from now on, unless somebody has found out better than `target` meanwhile.
    fn doubt(&self, target: NodeId, next: NodeId) {
        self.leader.compare_exchange(target, next, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Lets the requests to come begin with another member: the one that is asked first is slow to answer.
    pub(crate) fn doubt_leader(&self) {
        let target = self.leader.load(Ordering::Relaxed);
        self.doubt(target, self.known.after(target));
    }

    /// Tells when another member has answered as Raft leader than before, whatever the request was.
    pub(crate) fn leader_changes(&self) -> watch::Receiver<NodeId> {
        self.found.subscribe()
    }

    /// Whom to ask after `target` has named `leader`. If this process does not know that one, `target` says where
    /// it is.
    async fn redirected(&self, target: NodeId, link: &Link, leader: NodeId, attempt: Duration) -> NodeId {
        if !self.roster().contains_key(&leader)
            && let Ok(Response::Status(status)) = link.call(Request::Status, attempt).await
        {
            self.learn(&status.members);
        }
        if self.roster().contains_key(&leader) { leader } else { self.known.after(target) }
    }

    /// Opens a stream from the Raft leader.
    pub(crate) async fn stream(&self, request: Request, patience: Duration) -> Result<Items, GroupError> {
        if let Own::Answered(Answer::Stream(items)) = self.ask_own(&request, patience).await {
            return Ok(forward(items));
        }
        self.search(patience, &mut false, |link, attempt| {
            let request = request.clone();
            async move { link.stream(request, attempt).await }
        })
        .await
    }

    /// Asks one member after the other until one answers as leader.
    async fn search<T, F>(
        &self,
        patience: Duration,
        maybe_done: &mut bool,
        ask: impl Fn(Link, Duration) -> F,
    ) -> Result<T, GroupError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let started = Instant::now();
        let mut found = self.found.subscribe();
        found.mark_unchanged();
        let mut target = self.leader.load(Ordering::Relaxed);
        let mut backoff = Backoff::new(Duration::from_millis(4), Duration::from_millis(50));
        let (mut tried, mut refused) = (0, BTreeSet::new());
        loop {
            tried += 1;
            let left = patience.saturating_sub(Instant::now().saturating_duration_since(started));
            let Some(link) = self.known.link(&mut target) else {
                unreachable!("no list and no group is empty")
            };
            let elsewhere = async { while found.changed().await.is_ok() && *found.borrow() == target {} };
            let asked = tokio::select! {
                asked = ask(link.clone(), self.attempt.min(left)) => asked,
                // Another request has found another leader: this one need not wait for a member that hangs.
                () = elsewhere => {
                    *maybe_done = true;
                    target = *found.borrow();
                    continue;
                }
            };
            let error = match asked {
                Ok(answer) => {
                    self.leads(target);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let members = self.roster().len();
            let mut next = self.known.after(target);
            let mut hopeless = false;
            match &error {
                CallError::Failure(Failure::NotLeader { leader: Some(leader) }) => {
                    next = self.redirected(target, &link, *leader, self.attempt.min(left)).await;
                }
                CallError::Failure(Failure::NotLeader { leader: None } | Failure::Embargo) => {}
                CallError::Failure(
                    Failure::Forbidden { .. }
                    | Failure::NotNow { .. }
                    | Failure::Never { .. }
                    | Failure::Removed(_),
                ) => hopeless = true,
                // Nothing was done, and to ask at once again would not help.
                CallError::Failure(Failure::Full { .. }) => next = target,
                CallError::Failure(Failure::NoQuorum | Failure::Unknown | Failure::Stopped { .. })
                | CallError::Connection(_)
                | CallError::OtherDirectory(_)
                | CallError::Timeout(_) => *maybe_done = true,
                CallError::Refused(Refused::Unable { .. } | Refused::Full { .. }) => {}
                CallError::Refused(_) | CallError::Tls(_) => {
                    // One alone may be the one that is wrong.
                    refused.insert(target);
                    hopeless = self.roster().keys().all(|member| refused.contains(member));
                }
            }
            self.doubt(target, next);
            target = next;
            let left = patience.saturating_sub(Instant::now().saturating_duration_since(started));
            // A last attempt of no time at all would only hide what the one before it found out.
            if hopeless || left < Duration::from_millis(1) {
                self.known.back_to_the_list();
                return Err(GroupError { members: self.addresses(), within: patience, last: error });
            }
            // One round at full speed (a redirect, or the leader has just crashed), then slower.
            if tried >= members {
                tokio::time::sleep(backoff.next_delay().min(left / 2)).await;
            }
        }
    }
}

/// Turns the stream of the member in this process into one that looks like a remote one.
fn forward(mut stream: super::server::ItemStream) -> Items {
    let (items, receiver) = mpsc::channel::<Item>(1);
    tokio::spawn(async move {
        loop {
            let item = tokio::select! {
                item = stream.next() => item,
                () = items.closed() => None,
            };
            let Some(item) = item else { return };
            if items.send(item).await.is_err() {
                return;
            }
        }
    });
    Items::local(receiver)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::network::testing;
    use crate::state_machine::View;

    fn read() -> Request {
        Request::Read { election: "e".into() }
    }

    fn elsewhere() -> Refused {
        Refused::Cluster { theirs: "b".into(), ours: "a".into() }
    }

    fn group(members: Vec<String>) -> Group {
        let members = (1..).zip(members).collect();
        Group::new("a", &members, None, Duration::from_secs(1), &Security::Plaintext)
    }

    #[tokio::test]
    async fn a_member_that_turns_us_away_does_not_speak_for_the_others() {
        let asked = AtomicUsize::new(0);
        // There is no leader yet, for longer than it takes to be turned away as often as there are members.
        let electing = move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            0..10 => Err(Failure::NotLeader { leader: None }),
            _ => Ok(Response::View(View { at: 1, leader: None })),
        };
        let group = group(vec![testing::refusing(elsewhere()).await, testing::answering(electing).await]);
        group.call(read(), Duration::from_secs(30)).await.unwrap();
    }

    #[tokio::test]
    async fn to_be_turned_away_by_all_is_told_at_once() {
        let group = group(vec![testing::refusing(elsewhere()).await, testing::refusing(elsewhere()).await]);
        let asked =
            tokio::time::timeout(Duration::from_secs(10), group.call(read(), Duration::from_secs(3600)));
        let error = asked.await.expect("it is hopeless").unwrap_err();
        assert!(matches!(error.last, CallError::Refused(Refused::Cluster { .. })), "{error}");
    }
}
