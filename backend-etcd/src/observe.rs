//! Observation: each observer begins with a read of its own and goes on with the feed that all share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use election_core::backend::Sequence;
use election_core::{Backoff, ElectionName, LeaderEvent, LeaderEvents, Operation, Result};
use etcd_client::{GetOptions, SortOrder, SortTarget};
use futures::StreamExt;
use futures::stream;
use tokio::sync::watch;

use crate::contenders::leader;
use crate::feed::{Feed, State, View};
use crate::keeper::Phase;
use crate::keys;
use crate::requests;
use crate::shared::{Shared, closed};

/// The feeds of one process: one per election that is observed.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<ElectionName, Weak<watch::Receiver<View>>>>);

impl Feeds {
    /// The feed of an election; started if nobody has observed it so far.
    fn follow(&self, shared: &Shared, election: &ElectionName) -> Arc<watch::Receiver<View>> {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(views) = feeds.get(election).and_then(Weak::upgrade)
            // A feed that was refused has ended: the next observer tries anew.
            && views.has_changed().is_ok()
        {
            return views;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let (views, seen) = watch::channel(View { revision: 0, state: State::Unknown });
        let feed = Feed {
            servers: shared.servers.clone(),
            hub: shared.hub.clone(),
            bound: shared.bound(),
            clock: shared.clock.clone(),
            prefix: keys::prefix(&shared.config.root, election),
        };
        shared.runtime.spawn(feed.run(views));
        let seen = Arc::new(seen);
        feeds.insert(election.clone(), Arc::downgrade(&seen));
        seen
    }
}

/// Follows the leadership: see [`Elector::observe`](election_core::Elector::observe).
pub(crate) fn observe(shared: Arc<Shared>, election: ElectionName) -> LeaderEvents {
    let observer = Observer {
        phases: shared.phases.clone(),
        shared,
        election,
        sequence: Sequence::default(),
        backoff: Backoff::default(),
        failed: false,
        following: None,
        interrupted: false,
    };
    let next = |observer: Option<Observer>| async {
        let mut observer = observer?;
        match observer.next().await {
            Ok(event) => Some((Ok(event), Some(observer))),
            Err(error) => {
                let error = error.backend(crate::BACKEND).election(&observer.election);
                Some((Err(error), None))
            }
        }
    };
    stream::unfold(Some(observer), next).boxed()
}

struct Observer {
    shared: Arc<Shared>,
    phases: watch::Receiver<Phase>,
    election: ElectionName,
    sequence: Sequence,
    backoff: Backoff,
    /// The last read has failed.
    failed: bool,
    /// Set once the first read has succeeded.
    following: Option<Following>,
    /// The feed has shown since then that it is cut off.
    interrupted: bool,
}

struct Following {
    /// The revision of the first read: what the feed knew before is older than this observation.
    since: i64,
    views: watch::Receiver<View>,
    /// Keeps the feed alive for the registry.
    _feed: Arc<watch::Receiver<View>>,
}

impl Observer {
    /// The next event that is news; an error is final.
    async fn next(&mut self) -> Result<LeaderEvent> {
        loop {
            let mut phases = self.phases.clone();
            let event = tokio::select! {
                biased;
                _ = phases.wait_for(|phase| matches!(phase, Phase::Closed)) => {
                    return Err(closed(Operation::Observe));
                }
                event = self.event() => event?,
            };
            if let Some(event) = event.and_then(|event| self.sequence.admit(event)) {
                return Ok(event);
            }
        }
    }

    async fn event(&mut self) -> Result<Option<LeaderEvent>> {
        if self.following.is_some() { self.follow().await } else { self.begin().await }
    }

    /// Reads the present state, linearizably: a claim made before this observation is seen by it.
    async fn begin(&mut self) -> Result<Option<LeaderEvent>> {
        // Subscribed before the read, so that the feed misses nothing after it.
        let feed = self.shared.feeds.follow(&self.shared, &self.election);
        let views = (*feed).clone();
        if self.failed {
            tokio::time::sleep(self.backoff.next_delay()).await;
        }
        let seen = views.borrow().revision;
        match self.read(seen).await {
            Ok((since, event)) => {
                self.following = Some(Following { since, views, _feed: feed });
                self.interrupted = false;
                Ok(Some(event))
            }
            Err(error) if error.is_retryable() => {
                self.failed = true;
                let since = self.shared.clock.now();
                Ok(Some(LeaderEvent::Disconnected { since, last: None }))
            }
            Err(error) => Err(error),
        }
    }

    /// As of `seen` or later, and of no earlier moment than that at which this process got its newest record: after a
    /// pause of its server even a linearizable read can be stale (etcd #20418).
    async fn read(&self, seen: i64) -> Result<(i64, LeaderEvent)> {
        let records = self.shared.session().map(|session| session.records()).unwrap_or_default();
        let own = records.iter().filter(|record| record.election == self.election);
        let not_before = own.map(|record| record.created).max().unwrap_or(0).max(seen);
        let prefix = keys::prefix(&self.shared.config.root, &self.election);
        let first =
            GetOptions::new().with_prefix().with_sort(SortTarget::Create, SortOrder::Ascend).with_limit(1);
        let bound = self.shared.bound();
        let answer = requests::get(&self.shared.servers, Operation::Observe, bound, &prefix, first).await?;
        let revision = requests::header(answer.header(), Operation::Observe)?.revision();
        if revision < not_before {
            return Err(requests::stale(Operation::Observe));
        }
        let event = match answer.kvs().first() {
            Some(kv) => {
                let value = Bytes::copy_from_slice(kv.value());
                LeaderEvent::Elected(leader(&prefix, kv.key(), kv.create_revision(), value))
            }
            None => LeaderEvent::Vacant,
        };
        Ok((revision, event))
    }

    /// The next view of the feed.
    async fn follow(&mut self) -> Result<Option<LeaderEvent>> {
        let Some(following) = &mut self.following else { return Ok(None) };
        let ended = following.views.changed().await.is_err();
        let view = following.views.borrow_and_update().clone();
        match view.state {
            State::Refused(kind, reason) => Err(State::refusal(kind, &reason)),
            _ if ended => Err(closed(Operation::Observe)),
            State::Disconnected(since) => {
                let last = self.sequence.last_leader().cloned();
                self.interrupted = true;
                Ok(Some(LeaderEvent::Disconnected { since, last }))
            }
            State::Led(leader) if view.revision >= following.since => {
                Ok(Some(leader.map_or(LeaderEvent::Vacant, LeaderEvent::Elected)))
            }
            State::Led(_) if self.interrupted => {
                // It is back with a view from before the first read, and says nothing more until something happens.
                self.following = None;
                Ok(None)
            }
            State::Led(_) | State::Unknown => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use election_core::clock::Instant;
    use testkit::etcd::Etcd;
    use testkit::need::{self, Tool};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_feed_that_comes_back_with_an_older_view_is_not_waited_for() {
        if !need::has(Tool::Etcd) {
            return;
        }
        let etcd = Etcd::single().await.unwrap();
        let coordinator = crate::connect(&format!("etcd://{}", etcd.authority())).await.unwrap();
        let shared = coordinator.shared().clone();
        let (views, seen) = watch::channel(View { revision: 0, state: State::Unknown });
        let following = Following { since: i64::MAX, views: seen.clone(), _feed: Arc::new(seen) };
        let mut observer = Observer {
            phases: shared.phases.clone(),
            shared,
            election: ElectionName::new("billing").unwrap(),
            sequence: Sequence::default(),
            backoff: Backoff::default(),
            failed: false,
            following: Some(following),
            interrupted: false,
        };
        views.send_replace(View { revision: 1, state: State::Disconnected(Instant::now()) });
        assert!(matches!(observer.next().await.unwrap(), LeaderEvent::Disconnected { .. }));
        // Nothing more will come from it.
        views.send_replace(View { revision: 2, state: State::Led(None) });
        let event = tokio::time::timeout(Duration::from_secs(30), observer.next()).await;
        assert_eq!(event.unwrap().unwrap(), LeaderEvent::Vacant);
    }
}
