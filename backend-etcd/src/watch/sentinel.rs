//! [`Sentinel`]: the watch on our own records, so that their deletion behind our back is noticed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Extent, Hub, Notice, Spec, Watcher};
use crate::record::Record;
use crate::requests;
use crate::servers::{Bound, Servers};

/// How old a record must be to be watched. A watch begins at the record's creation, so it misses nothing; and a
/// campaign that is resigned within a millisecond, as in a queue that drains, costs no watch at all.
const DELAY: Duration = Duration::from_millis(10);

enum Message {
    /// There is something in the queue of the young again.
    Young,
    Forget(i64),
    /// The watch on this record says something.
    Heard(i64, Notice),
}

/// Records in the order of their creation, which is the order in which they come of age.
type Young = Arc<Mutex<VecDeque<(Instant, Arc<Record>)>>>;

/// The handle to the task, which ends when the handle is dropped.
pub(crate) struct Sentinel {
    messages: mpsc::UnboundedSender<Message>,
    /// Shared, so that a campaign adds to it without waking the task each time.
    young: Young,
}

impl Sentinel {
    pub(crate) fn start(hub: Hub, servers: Arc<Servers>, bound: Bound) -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        let young = Young::default();
        // Weak, so that the task does not keep itself alive.
        let task = Task {
            hub,
            servers,
            bound,
            messages: messages.downgrade(),
            young: young.clone(),
            watched: HashMap::new(),
        };
        tokio::spawn(task.run(received));
        Self { messages, young }
    }

    /// Watches a record until it is forgotten.
    pub(crate) fn guard(&self, record: &Arc<Record>) {
        let mut young = lock(&self.young);
        young.push_back((Instant::now() + DELAY, record.clone()));
        if young.len() == 1 {
            let _ = self.messages.send(Message::Young);
        }
    }

    pub(crate) fn forget(&self, record: &Record) {
        let _ = self.messages.send(Message::Forget(record.created));
    }
}

struct Task {
    hub: Hub,
    servers: Arc<Servers>,
    bound: Bound,
    messages: mpsc::WeakUnboundedSender<Message>,
    young: Young,
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
            let due = lock(&self.young).front().map(|(due, _)| *due);
            tokio::select! {
                message = received.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.come_of_age(),
            }
        }
    }

    fn come_of_age(&mut self) {
        // In rounds: a busy process has many that are not worth a watch by then.
        let now = Instant::now();
        loop {
            let mut young = lock(&self.young);
            let record = match young.front() {
                Some((due, _)) if *due <= now => young.pop_front(),
                _ => return,
            };
            drop(young);
            if let Some((_, record)) = record
                && record.mark_watched()
            {
                self.watch(record, false);
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Young => {}
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
            extent: Extent::Key,
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
            // Deletions only; a blind watch may tell of the record that had the name before.
            Notice::Changes(changes) if changes.iter().any(|change| change.revision > created) => {
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
            Notice::Changes(_) | Notice::Watching(_) | Notice::Interrupted => {}
            Notice::Refused(reason) => tracing::warn!(%reason, "etcd refuses the watch on our own record"),
        }
    }

    /// Looks whether the record still exists, now that whatever comes later is told.
    fn look(&self, record: &Arc<Record>, revision: i64) {
        let (servers, record, bound) = (self.servers.clone(), record.clone(), self.bound);
        tokio::spawn(async move {
            let looked = requests::exist(&servers, bound, &[(&record.key, record.created)], revision).await;
            if looked.is_ok_and(|(_, found)| found == [false]) {
                record.mark_gone();
            }
        });
    }
}

fn lock(young: &Young) -> MutexGuard<'_, VecDeque<(Instant, Arc<Record>)>> {
    young.lock().unwrap_or_else(PoisonError::into_inner)
}
