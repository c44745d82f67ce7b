//! A client's view of the group: it finds the Raft leader and asks it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use election_core::Backoff;
use election_core::clock::Instant;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::channel::{CallError, Items};
use super::link::{Link, LinkConfig};
use super::refusal::{Failure, Refused};
use super::server::Answer;
use super::tls::Security;
use super::wire::{Hello, Item, Request, Response, Sender};
use crate::types::NodeId;

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
    links: Vec<Link>,
    ids: Vec<NodeId>,
    /// The place of the member to ask first. A guess; a wrong one costs a round trip.
    leader: AtomicUsize,
    /// The place of the member that answered last.
    found: watch::Sender<usize>,
    /// The place of the embedded member.
    own: usize,
    local: Option<Arc<dyn Local>>,
    /// How long one member may take to answer before the next is asked.
    attempt: Duration,
}

impl Group {
    /// The group as a client sees it; `own` is the member in this process.
    pub(crate) fn new(
        cluster: &str,
        members: &BTreeMap<NodeId, String>,
        own: Option<(NodeId, Arc<dyn Local>)>,
        attempt: Duration,
        security: &Security,
    ) -> Self {
        let link = |(id, address): (&NodeId, &String)| {
            let hello = Hello::new(cluster, Sender::Client, *id);
            Link::new(LinkConfig { address: address.clone(), hello, security: security.clone() })
        };
        let ids: Vec<NodeId> = members.keys().copied().collect();
        let first = own.as_ref().and_then(|(own, _)| ids.iter().position(|id| id == own)).unwrap_or(0);
        Self {
            links: members.iter().map(link).collect(),
            ids,
            leader: AtomicUsize::new(first),
            found: watch::Sender::new(first),
            own: first,
            local: own.map(|(_, local)| local),
            attempt,
        }
    }

    /// Every member and the connection to it.
    pub(crate) fn members(&self) -> impl Iterator<Item = (NodeId, &Link)> {
        self.ids.iter().copied().zip(&self.links)
    }

    /// The members' addresses, for messages.
    pub(crate) fn addresses(&self) -> String {
        self.links.iter().map(Link::address).collect::<Vec<_>>().join(", ")
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
        let Some(local) = self.local.as_ref().filter(|local| local.serves()) else { return Own::NotAsked };
        let answer = local.clone().call(request.clone());
        match tokio::time::timeout(patience.min(self.attempt), answer).await {
            Ok(answer) => {
                self.leads(self.own);
                Own::Answered(answer)
            }
            Err(_) => Own::Unanswered,
        }
    }

    /// Notes who has answered as leader.
    fn leads(&self, place: usize) {
        self.leader.store(place, Ordering::Relaxed);
        self.found.send_if_modified(|found| std::mem::replace(found, place) != place);
    }

    /// Asks `next` first from now on, unless somebody has found out better than `target` meanwhile.
    fn doubt(&self, target: usize, next: usize) {
        self.leader.compare_exchange(target, next, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Lets the requests to come begin with another member: the one that is asked first is slow to answer.
    pub(crate) fn doubt_leader(&self) {
        let target = self.leader.load(Ordering::Relaxed);
        self.doubt(target, (target + 1) % self.links.len());
    }

    /// Tells when another member has answered as Raft leader than before, whatever the request was.
    pub(crate) fn leader_changes(&self) -> watch::Receiver<usize> {
        self.found.subscribe()
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
        let mut refusals = 0;
        for tried in 1.. {
            let left = patience.saturating_sub(Instant::now().saturating_duration_since(started));
            let elsewhere = async { while found.changed().await.is_ok() && *found.borrow() == target {} };
            let asked = tokio::select! {
                asked = ask(self.links[target].clone(), self.attempt.min(left)) => asked,
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
            let mut next = (target + 1) % self.links.len();
            let mut hopeless = false;
            match &error {
                CallError::Failure(Failure::NotLeader { leader: Some(leader) }) => {
                    next = self.ids.iter().position(|id| id == leader).unwrap_or(next);
                }
                CallError::Failure(Failure::NotLeader { leader: None } | Failure::Embargo) => {}
                CallError::Failure(Failure::Forbidden { .. }) => hopeless = true,
                // Nothing was done, and to ask at once again would not help.
                CallError::Failure(Failure::Full { .. }) => next = target,
                CallError::Failure(Failure::NoQuorum | Failure::Unknown | Failure::Stopped { .. })
                | CallError::Connection(_)
                | CallError::Timeout(_) => *maybe_done = true,
                CallError::Refused(Refused::Unable { .. } | Refused::Full { .. }) => {}
                CallError::Refused(_) | CallError::Tls(_) => {
                    refusals += 1;
                    hopeless = refusals >= self.links.len();
                }
            }
            self.doubt(target, next);
            target = next;
            let left = patience.saturating_sub(Instant::now().saturating_duration_since(started));
            // A last attempt of no time at all would only hide what the one before it found out.
            if hopeless || left < Duration::from_millis(1) {
                return Err(GroupError { members: self.addresses(), within: patience, last: error });
            }
            // One round at full speed (a redirect, or the leader has just crashed), then slower.
            if tried >= self.links.len() {
                tokio::time::sleep(backoff.next_delay().min(left / 2)).await;
            }
        }
        unreachable!("the loop ends when patience does")
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
