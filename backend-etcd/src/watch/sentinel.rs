//! [`Sentinel`]: the watch on our own records, so that their deletion behind our back is noticed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Hub, Notice, Spec, Watcher};
use crate::record::Record;
use crate::requests;
use crate::servers::{Bound, Servers};

/// How old a record must be to be watched. A watch begins at the record's creation, so it misses nothing; and a
/// campaign that is resigned within a millisecond, as in a queue that drains, costs no watch at all.
const DELAY: Duration = Duration::from_millis(10);

enum Message {
    Guard(Arc<Record>),
    Forget(i64),
    /// The watch on this record says something.
    Heard(i64, Notice),
}

/// The handle to the task, which ends when all handles are dropped.
#[derive(Clone)]
pub(crate) struct Sentinel(mpsc::UnboundedSender<Message>);

impl Sentinel {
    pub(crate) fn start(hub: Hub, servers: Arc<Servers>, bound: Bound) -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        // Weak, so that the task does not keep itself alive.
        let task = Task {
            hub,
            servers,
            bound,
            messages: messages.downgrade(),
            young: VecDeque::new(),
            watched: HashMap::new(),
        };
        tokio::spawn(task.run(received));
        Self(messages)
    }

    /// Watches a record until it is forgotten.
    pub(crate) fn guard(&self, record: &Arc<Record>) {
        let _ = self.0.send(Message::Guard(record.clone()));
    }

    pub(crate) fn forget(&self, record: &Record) {
        let _ = self.0.send(Message::Forget(record.created));
    }
}

struct Task {
    hub: Hub,
    servers: Arc<Servers>,
    bound: Bound,
    messages: mpsc::WeakUnboundedSender<Message>,
    /// In the order of arrival, which is the order in which they come of age.
    young: VecDeque<(Instant, Arc<Record>)>,
    watched: HashMap<i64, Watched>,
}

struct Watched {
    record: Arc<Record>,
    /// Dropping it cancels the watch.
    _watcher: Watcher,
    /// The watch does not reach back to the creation: what happened before it must be looked up.
    blind: bool,
}

impl Task {
    async fn run(mut self, mut received: mpsc::UnboundedReceiver<Message>) {
        loop {
            let next = self.young.front().map(|(due, _)| *due);
            tokio::select! {
                message = received.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some((_, record)) = self.young.pop_front() && !record.is_over() {
                        self.watch(record, false);
                    }
                }
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Guard(record) => self.young.push_back((Instant::now() + DELAY, record)),
            Message::Forget(created) => {
                self.watched.remove(&created);
            }
            Message::Heard(created, notice) => self.heard(created, notice),
        }
    }

    fn watch(&mut self, record: Arc<Record>, blind: bool) {
        let created = record.created;
        let Some(messages) = self.messages.upgrade() else { return };
        let messages = messages.downgrade();
        let spec = Spec {
            key: record.key.clone(),
            prefix: false,
            from: if blind { 0 } else { created + 1 },
            deletes_only: true,
        };
        let watcher = self.hub.watch(spec, move |notice| {
            if let Some(messages) = messages.upgrade() {
                let _ = messages.send(Message::Heard(created, notice));
            }
        });
        self.watched.insert(created, Watched { record, _watcher: watcher, blind });
    }

    fn heard(&mut self, created: i64, notice: Notice) {
        let Some(watched) = self.watched.get(&created) else { return };
        match notice {
            Notice::Changes(_) => {
                // Deletions only, and of a name that is never used twice.
                watched.record.mark_gone();
                self.watched.remove(&created);
            }
            Notice::Watching(revision) if watched.blind => self.look(&watched.record, revision),
            Notice::Compacted => {
                let record = watched.record.clone();
                self.watch(record, true);
            }
            // The hub goes on by itself; the deadline holds meanwhile. A refusal leaves the proofs of renewal,
            // which compare every record, to notice a deletion.
            Notice::Watching(_) | Notice::Interrupted => {}
            Notice::Refused(reason) => tracing::warn!(%reason, "etcd refuses the watch on our own record"),
        }
    }

    /// Looks whether the record still exists, now that whatever comes later is told.
    fn look(&self, record: &Arc<Record>, revision: i64) {
        let (servers, record, bound) = (self.servers.clone(), record.clone(), self.bound);
        tokio::spawn(async move {
            let looked = requests::exists(&servers, bound, &record.key, record.created, revision).await;
            if matches!(looked, Ok((_, false))) {
                record.mark_gone();
            }
        });
    }
}
