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

/// How many records are read with their values: 32 of the largest fit in the 4 MiB that a client decodes.
const WITH_VALUES: i64 = 32;

/// An interruption shorter than this (a failover to another server) is none that observers need to know.
const GRACE: Duration = Duration::from_millis(250);

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
    /// The watch is refused: nothing will follow.
    Refused(Arc<str>),
}

impl State {
    pub(crate) fn refusal(reason: &str) -> Error {
        error::new(Kind::PermissionDenied, Operation::Observe).source(reason.to_owned())
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
                Some(Notice::Watching(_)) => {
                    // What the watch tells from here on joins what is read now: nothing is missed, and what is
                    // told twice changes nothing.
                    let (revision, contenders) = self.look(views, interrupted).await?;
                    interrupted = None;
                    let (_, contenders) = known.insert((revision, contenders));
                    self.publish(views, revision, contenders).await;
                }
                Some(Notice::Changes(changes)) => {
                    let Some((seen, contenders)) = &mut known else { continue };
                    for change in changes {
                        if change.revision > *seen {
                            *seen = change.revision;
                            contenders.apply(change);
                        }
                    }
                    self.publish(views, *seen, contenders).await;
                }
                Some(Notice::Interrupted) => {
                    interrupted = interrupted.or_else(|| Some(self.clock.now()));
                }
                Some(Notice::Refused(reason)) => {
                    let revision = views.borrow().revision;
                    views.send_replace(View { revision, state: State::Refused(reason) });
                    return Err(());
                }
                Some(Notice::Compacted) => return Ok(()),
                // The hub has ended: the coordinator is closed.
                None => return Err(()),
            }
        }
    }

    /// Reads the election until that succeeds.
    async fn look(
        &self,
        views: &watch::Sender<View>,
        interrupted: Option<Instant>,
    ) -> Result<(i64, Contenders), ()> {
        let mut backoff = Backoff::default();
        loop {
            match self.list().await {
                Ok(found) => return Ok(found),
                Err(error) if error.is_retryable() => {
                    tracing::debug!(%error, "reading an election for its observers failed");
                    disconnect(views, interrupted.unwrap_or_else(|| self.clock.now()));
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                Err(error) => {
                    let revision = views.borrow().revision;
                    views.send_replace(View { revision, state: State::Refused(error.to_string().into()) });
                    return Err(());
                }
            }
        }
    }

    /// All records at one revision: the first ones with their values.
    async fn list(&self) -> Result<(i64, Contenders)> {
        let first = GetOptions::new()
            .with_prefix()
            .with_sort(SortTarget::Create, SortOrder::Ascend)
            .with_limit(WITH_VALUES);
        let all = GetOptions::new().with_prefix().with_keys_only();
        let txn = Txn::new().and_then([
            TxnOp::get(self.prefix.as_slice(), Some(first)),
            TxnOp::get(self.prefix.as_slice(), Some(all)),
        ]);
        // One attempt: observers are to know soon that nobody answers.
        let bound = Bound::once(self.bound.attempt);
        let answer = requests::txn(&self.servers, Operation::Observe, bound, txn).await?;
        let revision = requests::header(answer.header(), Operation::Observe)?.revision();
        let ranges = requests::ranges(&answer);
        let [first, all] = ranges.as_slice() else { return Err(requests::malformed(Operation::Observe)) };
        Ok((revision, Contenders::new(self.prefix.clone(), first.kvs(), all.kvs())))
    }

    async fn publish(&self, views: &watch::Sender<View>, revision: i64, contenders: &Contenders) {
        let leader = match contenders.head() {
            Head::Nobody => None,
            Head::Leader(leader) => Some(leader),
            Head::Unread(key) => {
                let options = GetOptions::new();
                let read = requests::get(&self.servers, Operation::Observe, self.bound, &key, options).await;
                // Gone or unreachable by now: the watch will tell what comes next.
                let Some(kv) = read.ok().and_then(|mut read| read.take_kvs().pop()) else { return };
                let value = Bytes::copy_from_slice(kv.value());
                Some(leader(&self.prefix, &key, kv.create_revision(), value))
            }
        };
        views.send_if_modified(|view| {
            let same = matches!(&view.state, State::Led(shown) if *shown == leader);
            *view = View { revision, state: State::Led(leader) };
            !same
        });
    }
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
