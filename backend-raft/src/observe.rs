//! Observing: one stream per election and process, however many observers there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use election_core::backend::Sequence;
use election_core::clock::Instant;
use election_core::{Backoff, ElectionName, FencingToken, Leader, LeaderEvent, LeaderEvents, Operation};
use futures::{StreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error;
use crate::network::{Group, Item, Request, Response};
use crate::session::closed;
use crate::state_machine::View;

/// What must live as long as a stream or a leadership: the coordinator, whose end is theirs.
pub(crate) type Owner = Arc<dyn std::any::Any + Send + Sync>;

/// What the shared stream of an election knows.
#[derive(Debug, Clone, Default)]
struct Known {
    view: Option<View>,
    /// Since when the group has been out of reach.
    out_of_reach: Option<Instant>,
}

impl Known {
    /// Takes in a state, unless a newer one is known.
    fn learn(&mut self, view: View) {
        if self.view.as_ref().is_none_or(|known| known.at <= view.at) {
            self.view = Some(view);
        }
        self.out_of_reach = None;
    }
}

/// The shared stream of an election. It ends with its last observer.
#[derive(Debug)]
struct Feed {
    known: watch::Sender<Known>,
    stop: CancellationToken,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The observers of one coordinator.
pub(crate) struct Observatory {
    group: Arc<Group>,
    feeds: Mutex<HashMap<ElectionName, Weak<Feed>>>,
    /// How long one attempt may take before observers are told that the group is out of reach.
    patience: Duration,
    stop: CancellationToken,
}

impl Observatory {
    /// An observatory that closes when `stop` is cancelled.
    pub(crate) fn new(group: Arc<Group>, patience: Duration, stop: CancellationToken) -> Self {
        Self { group, feeds: Mutex::default(), patience, stop }
    }

    /// The shared stream of `election`, started if nobody observes it yet.
    fn feed(&self, election: &ElectionName) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(election).and_then(Weak::upgrade) {
            return feed;
        }
        let feed = Arc::new(Feed { known: watch::Sender::default(), stop: self.stop.child_token() });
        feeds.retain(|_, feed| feed.strong_count() > 0);
        feeds.insert(election.clone(), Arc::downgrade(&feed));
        let (group, patience) = (self.group.clone(), self.patience);
        let (election, known, stop) = (election.clone(), feed.known.clone(), feed.stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = follow(&group, &election, &known, patience) => {}
            }
        });
        feed
    }

    /// The events of `election` for one observer.
    /// While the stream lives, so does `owner`.
    pub(crate) fn observe(self: &Arc<Self>, election: ElectionName, owner: Owner) -> LeaderEvents {
        let observer = Observer {
            observatory: self.clone(),
            election,
            following: None,
            sequence: Sequence::default(),
            _owner: owner,
        };
        stream::unfold(Some(observer), |observer| async move {
            let mut observer = observer?;
            let stop = observer.observatory.stop.clone();
            let event = tokio::select! {
                () = stop.cancelled() => {
                    let error = closed(Operation::Observe).election(&observer.election);
                    return Some((Err(error), None));
                }
                event = observer.next() => event,
            };
            Some((Ok(event), Some(observer)))
        })
        .boxed()
    }
}

/// Observers are to know soon that the group is back.
fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(2), Duration::from_millis(100))
}

/// Follows an election for all observers of the process, for as long as it is wanted.
async fn follow(group: &Group, election: &ElectionName, known: &watch::Sender<Known>, patience: Duration) {
    let mut backoff = backoff();
    let mut leader = group.leader_changes();
    loop {
        let request = Request::Observe { election: election.as_str().into() };
        match group.stream(request, patience).await {
            Ok(mut items) => {
                leader.mark_unchanged();
                loop {
                    let item = tokio::select! {
                        item = items.next() => item,
                        // The stream may hang on a member that was stopped or cut off.
                        _ = leader.changed() => None,
                    };
                    let Some(Item::View(view)) = item else { break };
                    backoff.reset();
                    known.send_modify(|known| known.learn(view));
                }
            }
            Err(error) => {
                tracing::debug!(%error, %election, "cannot observe");
                known.send_if_modified(|known| {
                    let first = known.out_of_reach.is_none();
                    if first {
                        known.out_of_reach = Some(Instant::now());
                    }
                    first
                });
            }
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// One observer.
struct Observer {
    observatory: Arc<Observatory>,
    election: ElectionName,
    /// The shared stream, and the log index below which its states are older than what this observer has
    /// been shown. `None` before the first state.
    following: Option<(Arc<Feed>, watch::Receiver<Known>, u64)>,
    sequence: Sequence,
    _owner: Owner,
}

impl Observer {
    async fn next(&mut self) -> LeaderEvent {
        let mut backoff = backoff();
        loop {
            let event = match &mut self.following {
                None => self.first().await,
                Some((_, known, since)) => {
                    // The feed is held, so the sender lives.
                    known.changed().await.ok();
                    let known = known.borrow_and_update().clone();
                    match (known.out_of_reach, known.view) {
                        (Some(since), _) => self.disconnected(since),
                        (None, Some(view)) if view.at >= *since => to_event(view),
                        (None, _) => continue,
                    }
                }
            };
            if let Some(event) = self.sequence.admit(event) {
                return event;
            }
            // A refusal comes at once, and comes again.
            if self.following.is_none() {
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }

    /// The state as of now. It is asked for, and not taken from the shared stream: the stream may lag behind
    /// a claim that was made before this observation began.
    async fn first(&mut self) -> LeaderEvent {
        let election = self.election.as_str().to_owned();
        let asked = Instant::now();
        match self.observatory.group.call(Request::Read { election }, self.observatory.patience).await {
            Ok(Response::View(view)) => {
                let feed = self.observatory.feed(&self.election);
                let mut known = feed.known.subscribe();
                // What the stream knows already is looked at as well: it may be newer.
                known.mark_changed();
                self.following = Some((feed, known, view.at));
                to_event(view)
            }
            Ok(other) => {
                tracing::warn!(error = %error::unexpected(Operation::Observe, other), "cannot observe");
                self.disconnected(asked)
            }
            Err(error) => {
                tracing::debug!(%error, election = %self.election, "cannot observe yet");
                self.disconnected(asked)
            }
        }
    }

    fn disconnected(&self, since: Instant) -> LeaderEvent {
        LeaderEvent::Disconnected { since, last: self.sequence.last_leader().cloned() }
    }
}

fn to_event(view: View) -> LeaderEvent {
    view.leader.map_or(LeaderEvent::Vacant, |leader| {
        let token = FencingToken::new(leader.token);
        LeaderEvent::Elected(Leader { id: leader.id, value: leader.value, token })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::network::{Refused, Security, testing};

    #[tokio::test]
    async fn whoever_is_turned_away_asks_with_pauses() {
        let said = Arc::new(AtomicUsize::new(0));
        let counts = said.clone();
        let subscriber =
            tracing_subscriber::fmt().with_env_filter("backend_raft::observe=debug").with_writer(move || {
                counts.fetch_add(1, Ordering::Relaxed);
                std::io::sink()
            });
        let _logging = tracing::subscriber::set_default(subscriber.finish());
        let refused = Refused::Cluster { theirs: "b".into(), ours: "a".into() };
        let members = [(1, testing::refusing(refused).await)].into();
        let group = Group::new("a", &members, None, Duration::from_secs(1), &Security::Plaintext);
        let stop = CancellationToken::new();
        let observatory = Arc::new(Observatory::new(Arc::new(group), Duration::from_secs(1), stop));
        let mut events = observatory.observe(ElectionName::new("e").unwrap(), Arc::new(()));
        let first = events.next().await.unwrap().unwrap();
        assert!(matches!(first, LeaderEvent::Disconnected { .. }), "{first:?}");
        let quiet = tokio::time::timeout(Duration::from_millis(500), events.next()).await;
        assert!(quiet.is_err(), "one outage is one event");
        let asked = said.load(Ordering::Relaxed);
        assert!((2..50).contains(&asked), "asked {asked} times");
    }
}
