//! [`Feed`]: the one watch on an election that all its observers in this process share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use election_core::clock::{Clock, Instant};
use election_core::{Backoff, Error, Kind, Leader, Operation, Result};
use etcd_client::{GetOptions, SortOrder, SortTarget, Txn, TxnOp};
use tokio::sync::{mpsc, watch};

use crate::contenders::{Contenders, Head, leader};
use crate::error;
use crate::requests;
use crate::servers::{Bound, Servers};
use crate::watch::{Extent, Hub, Notice, Spec};

/// How many records are read with their values: 32 of the largest are 2 MiB.
const WITH_VALUES: i64 = 32;

/// An interruption shorter than this (a failover to another server) is none that observers need to know.
const GRACE: Duration = Duration::from_millis(250);

/// How long a cluster may answer with a state that is older than one already seen. A server that was paused does so for
/// moments; one that was restored from a backup, until it has got as far again.
const STALE: Duration = Duration::from_secs(10);

/// The newest that is known about an election.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The revision of the store at which it was so; 0 as long as nothing is known.
    pub(crate) revision: i64,
    pub(crate) state: State,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    Unknown,
    Led(Option<Leader>),
    Disconnected(Instant),
    /// The watch is refused, or the state cannot be read: nothing will follow.
    Refused(Kind, Arc<str>),
}

impl State {
    pub(crate) fn refusal(kind: Kind, reason: &str) -> Error {
        error::new(kind, Operation::Observe).source(reason.to_owned())
    }
}

/// What a feed needs.
pub(crate) struct Feed {
    pub(crate) servers: Arc<Servers>,
    pub(crate) hub: Hub,
    pub(crate) bound: Bound,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) prefix: Vec<u8>,
}

impl Feed {
    /// Follows the election as long as somebody listens.
    pub(crate) async fn run(self, views: watch::Sender<View>) {
        tokio::select! {
            () = views.closed() => {}
            () = self.follow(&views) => {}
        }
    }

    async fn follow(&self, views: &watch::Sender<View>) {
        loop {
            let (notices, mut heard) = mpsc::unbounded_channel();
            let spec =
                Spec { key: self.prefix.clone(), extent: Extent::Prefix, from: 0, deletes_only: false };
            let _watcher = self.hub.watch(spec, move |notice| drop(notices.send(notice)));
            if self.serve(&mut heard, views).await.is_err() {
                return;
            }
        }
    }

    /// Serves one watch until it is compacted away; an error is final.
    async fn serve(
        &self,
        heard: &mut mpsc::UnboundedReceiver<Notice>,
        views: &watch::Sender<View>,
    ) -> Result<(), ()> {
        let mut known = None;
        let mut interrupted = None;
        loop {
            let notice = match interrupted {
                None => heard.recv().await,
                Some(since) => match tokio::time::timeout(GRACE, heard.recv()).await {
                    Ok(notice) => notice,
                    Err(_) => {
                        disconnect(views, since);
                        heard.recv().await
                    }
                },
            };
            match notice {
                #[cfg(zoo)]
                Some(Notice::Watching(_))
                    if views.borrow().revision > 0
                        && election_core::zoo::planted("etcd-no-list-after-compaction") =>
                {
                    let revision = views.borrow().revision;
                    known.get_or_insert((revision, Contenders::new(self.prefix.clone(), &[], &[])));
                    interrupted = None;
                }
                Some(Notice::Watching(since)) => {
                    // What the watch tells from here on joins what is read now: nothing is missed, and what is
                    // told twice changes nothing.
                    known = Some(self.look(views, since, interrupted).await?);
                    interrupted = None;
                }
                Some(Notice::Changes(changes)) => {
                    let Some((seen, contenders)) = &mut known else { continue };
                    // Several may be of one revision: a lease that ends takes all its records with it.
                    let before = *seen;
                    for change in changes.into_iter().filter(|change| change.revision > before) {
                        *seen = change.revision;
                        contenders.apply(change);
                    }
                    let seen = *seen;
                    match self.leader(contenders).await {
                        Ok(leader) => publish(views, seen, leader),
                        Err(error) => {
                            tracing::debug!(%error, "a leader could not be read for the observers");
                            known = Some(self.look(views, seen, interrupted).await?);
                        }
                    }
                }
                Some(Notice::Interrupted) => {
                    interrupted = interrupted.or_else(|| Some(self.clock.now()));
                }
                Some(Notice::Refused(reason)) => {
                    let revision = views.borrow().revision;
                    let state = State::Refused(Kind::PermissionDenied, reason);
                    views.send_replace(View { revision, state });
                    return Err(());
                }
                Some(Notice::Compacted) => return Ok(()),
                // The hub has ended: the coordinator is closed.
                None => return Err(()),
            }
        }
    }

    /// Reads the election until that succeeds, and shows it: as it was at `since` or later, and no older than what
    /// was shown before.
    async fn look(
        &self,
        views: &watch::Sender<View>,
        since: i64,
        interrupted: Option<Instant>,
    ) -> Result<(i64, Contenders), ()> {
        let not_before = since.max(views.borrow().revision);
        let mut backoff = Backoff::default();
        let mut stale_since = None;
        loop {
            let error = match self.list().await {
                Ok((revision, contenders, leader)) if revision >= not_before => {
                    publish(views, revision, leader);
                    return Ok((revision, contenders));
                }
                // Linearizable, and yet it can be stale after a pause of the server (etcd #20418): what happened up to
                // the beginning of the watch would be missed for good.
                Ok(_) => {
                    stale_since.get_or_insert_with(|| self.clock.now());
                    requests::stale(Operation::Observe)
                }
                Err(error) => {
                    stale_since = None;
                    error
                }
            };
            let now = self.clock.now();
            let for_good = stale_since.is_some_and(|since| now.saturating_duration_since(since) > STALE);
            if for_good || !error.is_retryable() {
                let revision = views.borrow().revision;
                let state = State::Refused(error.kind(), error.to_string().into());
                views.send_replace(View { revision, state });
                return Err(());
            }
            tracing::debug!(%error, "reading an election for its observers failed");
            disconnect(views, interrupted.unwrap_or(now));
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// All records at one revision, the first ones with their values, and who leads.
    async fn list(&self) -> Result<(i64, Contenders, Option<Leader>)> {
        let first = GetOptions::new()
            .with_prefix()
            .with_sort(SortTarget::Create, SortOrder::Ascend)
            .with_limit(WITH_VALUES);
        let all = GetOptions::new().with_prefix().with_keys_only();
        let txn = Txn::new().and_then([
            TxnOp::get(self.prefix.as_slice(), Some(first)),
            TxnOp::get(self.prefix.as_slice(), Some(all)),
        ]);
        let answer = requests::txn(&self.servers, Operation::Observe, self.once(), txn).await?;
        let revision = requests::header(answer.header(), Operation::Observe)?.revision();
        let ranges = requests::ranges(&answer);
        let [first, all] = ranges.as_slice() else { return Err(requests::malformed(Operation::Observe)) };
        let contenders = Contenders::new(self.prefix.clone(), first.kvs(), all.kvs());
        let leader = self.leader(&contenders).await?;
        Ok((revision, contenders, leader))
    }

    /// Who leads; an error if that takes another look.
    async fn leader(&self, contenders: &Contenders) -> Result<Option<Leader>> {
        let (key, created) = match contenders.head() {
            Head::Nobody => return Ok(None),
            Head::Leader(leader) => return Ok(Some(leader)),
            Head::Unread { key, created } => (key, created),
        };
        let (operation, options) = (Operation::Observe, GetOptions::new());
        let mut read = requests::get(&self.servers, operation, self.once(), &key, options).await?;
        // What was created anew under the name since is at the end of the queue.
        let kv = read.take_kvs().pop().filter(|kv| kv.create_revision() == created).ok_or_else(|| {
            error::new(Kind::Unavailable, operation)
                .message("the leader's record has gone before it was read")
        })?;
        Ok(Some(leader(&self.prefix, &key, created, Bytes::copy_from_slice(kv.value()))))
    }

    /// One attempt: observers are to know soon that nobody answers.
    fn once(&self) -> Bound {
        Bound::once(self.bound.attempt)
    }
}

fn publish(views: &watch::Sender<View>, revision: i64, leader: Option<Leader>) {
    views.send_if_modified(|view| {
        let same = matches!(&view.state, State::Led(shown) if *shown == leader);
        *view = View { revision, state: State::Led(leader) };
        !same
    });
}

fn disconnect(views: &watch::Sender<View>, since: Instant) {
    views.send_if_modified(|view| {
        let news = !matches!(view.state, State::Disconnected(_));
        if news {
            view.state = State::Disconnected(since);
        }
        news
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use election_core::clock::BootClock;
    use futures::{StreamExt, stream};
    use testkit::etcd::{Etcd, EtcdAdmin};
    use testkit::need::{self, Tool};

    use crate::address::Address;
    use crate::watch::Change;

    const SECOND: Duration = Duration::from_secs(1);

    /// A feed that reads from a real server, and hears what the test says.
    struct Rig {
        admin: EtcdAdmin,
        says: mpsc::UnboundedSender<Notice>,
        views: watch::Receiver<View>,
        _etcd: Etcd,
    }

    impl Rig {
        async fn new() -> Option<Self> {
            if !need::has(Tool::Etcd) {
                return None;
            }
            let etcd = Etcd::single().await.unwrap();
            let address = Address::parse(&format!("etcd://{}", etcd.endpoints()[0])).unwrap();
            let servers = Arc::new(Servers::at(&address).await.unwrap());
            let feed = Feed {
                hub: Hub::start(servers.clone(), SECOND),
                servers,
                bound: Bound { attempt: SECOND, total: 3 * SECOND },
                clock: Arc::new(BootClock),
                prefix: b"/election/billing/".to_vec(),
            };
            let (says, mut heard) = mpsc::unbounded_channel();
            let (show, views) = watch::channel(View { revision: 0, state: State::Unknown });
            tokio::spawn(async move { feed.serve(&mut heard, &show).await });
            let admin = etcd.admin().await.unwrap();
            Some(Self { admin, says, views, _etcd: etcd })
        }

        async fn put(&self, name: &str, value: &[u8]) {
            self.admin.put(&format!("/election/billing/{name}"), value).await.unwrap();
        }

        /// The revision of the deletion.
        async fn delete(&self, name: &str) -> i64 {
            assert!(self.admin.delete(&format!("/election/billing/{name}")).await.unwrap());
            self.admin.revision().await.unwrap()
        }

        fn says_deleted(&self, names: &[&str], revision: i64) {
            let key = |name: &&str| format!("/election/billing/{name}").into_bytes();
            let deleted = names.iter().map(|name| Change { key: key(name), revision, put: None });
            self.says.send(Notice::Changes(deleted.collect())).unwrap();
        }

        /// The next state that is shown.
        async fn next(&mut self) -> State {
            tokio::time::timeout(10 * SECOND, self.views.changed()).await.unwrap().unwrap();
            self.views.borrow_and_update().state.clone()
        }

        async fn next_leader(&mut self) -> String {
            match self.next().await {
                State::Led(Some(leader)) => leader.id,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Three in a queue; the value of the second must be read when the first goes.
    async fn queue() -> Option<Rig> {
        let mut rig = Rig::new().await?;
        rig.put("a", b"small").await;
        rig.put("b", &[0; 65_536]).await;
        rig.put("c", b"small").await;
        rig.says.send(Notice::Watching(0)).unwrap();
        assert_eq!(rig.next_leader().await, "a");
        Some(rig)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_leader_that_goes_before_it_is_read_is_passed_over() {
        let Some(mut rig) = queue().await else { return };
        let gone = rig.delete("a").await;
        rig.delete("b").await;
        rig.says_deleted(&["a"], gone);
        assert_eq!(rig.next_leader().await, "c");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_record_that_is_created_again_before_it_is_read_leads_only_in_its_turn() {
        let Some(mut rig) = queue().await else { return };
        let gone = rig.delete("a").await;
        rig.delete("b").await;
        rig.put("b", &[0; 65_536]).await;
        rig.says_deleted(&["a"], gone);
        assert_eq!(rig.next_leader().await, "c");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_queue_whose_names_alone_are_six_megabytes_is_read() {
        let Some(mut rig) = Rig::new().await else { return };
        rig.put("a", b"small").await;
        let (rest, key) = ("x".repeat(1_000), |i| format!("b-{i:04}-"));
        let keys = (0..6_000).map(|i| key(i) + &rest);
        let put = |name: String| {
            let rig = &rig;
            async move { rig.put(&name, b"").await }
        };
        stream::iter(keys).map(put).buffer_unordered(64).collect::<Vec<_>>().await;
        rig.says.send(Notice::Watching(0)).unwrap();
        assert_eq!(rig.next_leader().await, "a");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_that_one_revision_changes_counts() {
        let Some(mut rig) = queue().await else { return };
        let revision = rig.admin.revision().await.unwrap() + 1;
        rig.says_deleted(&["a", "b"], revision);
        assert_eq!(rig.next_leader().await, "c");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cluster_that_has_forgotten_what_it_said_is_not_waited_for_without_end() {
        let Some(mut rig) = Rig::new().await else { return };
        rig.says.send(Notice::Watching(rig.admin.revision().await.unwrap() + 1_000)).unwrap();
        assert!(matches!(rig.next().await, State::Disconnected(_)));
        tokio::time::timeout(STALE * 3, rig.views.changed()).await.unwrap().unwrap();
        match &rig.views.borrow().state {
            State::Refused(Kind::Unavailable, why) => {
                assert!(why.contains("restored from a backup"), "{why}")
            }
            other => panic!("{other:?}"),
        };
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_older_than_the_watch_is_not_shown() {
        let Some(mut rig) = Rig::new().await else { return };
        rig.put("a", b"small").await;
        // The watch begins after the next two changes and will not tell of them.
        rig.says.send(Notice::Watching(rig.admin.revision().await.unwrap() + 2)).unwrap();
        assert!(matches!(rig.next().await, State::Disconnected(_)));
        rig.delete("a").await;
        rig.put("b", b"small").await;
        assert_eq!(rig.next_leader().await, "b");
    }
}
