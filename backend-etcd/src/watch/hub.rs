//! [`Hub`]: the task that owns the stream of watches, keeps it alive and opens it anew.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use election_core::{Backoff, Kind, Operation, Result};
use etcd_client::WatchResponse;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::stream::Stream;
use super::{Notice, Spec, changes};
use crate::error;
use crate::servers::Servers;

/// Where a watcher's notices go. Called on the hub's task: it must not block.
type Sink = Box<dyn FnMut(Notice) + Send + Sync>;

enum Command {
    Watch(i64, Spec, Sink),
    Cancel(i64),
}

/// The handle to the hub's task, which ends when all handles and watchers are dropped.
#[derive(Clone)]
pub(crate) struct Hub {
    commands: mpsc::UnboundedSender<Command>,
    ids: Arc<AtomicI64>,
}

/// A watch; dropping it cancels it.
pub(crate) struct Watcher {
    id: i64,
    commands: mpsc::UnboundedSender<Command>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Cancel(self.id));
    }
}

impl Hub {
    /// Starts the task. `beat` is the time between two heartbeats, and the bound of every request.
    pub(crate) fn start(servers: Arc<Servers>, beat: Duration) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let task =
            Task { servers, beat, received, watches: HashMap::new(), asked: VecDeque::new(), stream: None };
        tokio::spawn(task.run());
        // Ids are ours: etcd takes them from 3.4 on. 0 would let the server choose.
        Self { commands, ids: Arc::new(AtomicI64::new(1)) }
    }

    pub(crate) fn watch(&self, spec: Spec, sink: impl FnMut(Notice) + Send + Sync + 'static) -> Watcher {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let _ = self.commands.send(Command::Watch(id, spec, Box::new(sink)));
        Watcher { id, commands: self.commands.clone() }
    }
}

struct Watch {
    spec: Spec,
    sink: Sink,
    /// The first revision not told yet; 0 as long as nothing is known.
    next: i64,
    /// The server has refused it once; not since it accepted it.
    refused: bool,
}

struct Task {
    servers: Arc<Servers>,
    beat: Duration,
    received: mpsc::UnboundedReceiver<Command>,
    watches: HashMap<i64, Watch>,
    /// Asked for on the open stream and not answered yet, in order.
    asked: VecDeque<i64>,
    stream: Option<Stream>,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(500));
        loop {
            // The stream is kept over times without a watch, and opened for the first one.
            if self.stream.is_none() && self.watches.is_empty() {
                let Some(command) = self.received.recv().await else { return };
                self.accept(command);
                continue;
            }
            let outcome =
                if self.stream.is_none() { self.open().await } else { self.serve(&mut backoff).await };
            match outcome {
                Ok(Served::Opened) => {}
                Ok(Served::Finished) => return,
                Err(error) => {
                    tracing::debug!(%error, "the stream of watches broke");
                    self.interrupt();
                    if !self.rest(backoff.next_delay()).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits, and takes commands meanwhile.
    async fn rest(&mut self, delay: Duration) -> bool {
        let delay = tokio::time::sleep(delay);
        tokio::pin!(delay);
        loop {
            tokio::select! {
                () = &mut delay => return true,
                command = self.received.recv() => match command {
                    Some(command) => self.accept(command),
                    None => return false,
                },
            }
        }
    }

    fn accept(&mut self, command: Command) {
        match command {
            Command::Watch(id, spec, sink) => {
                let next = spec.from;
                self.watches.insert(id, Watch { spec, sink, next, refused: false });
            }
            Command::Cancel(id) => {
                self.watches.remove(&id);
            }
        }
    }

    fn interrupt(&mut self) {
        self.asked.clear();
        for watch in self.watches.values_mut() {
            // Whoever watches from now on looks again when the watch has begun again, so what happened in between
            // need not be told: that can be more than an answer may hold.
            if watch.spec.from == 0 {
                watch.next = 0;
            }
            (watch.sink)(Notice::Interrupted);
        }
    }

    /// Opens a stream and asks for every watch on it, each from where it stopped.
    async fn open(&mut self) -> Result<Served> {
        let mut watches = self.watches.iter();
        let Some((&id, first)) = watches.next() else { return Ok(Served::Opened) };
        let options = first.spec.options(id, first.next);
        self.asked.clear();
        let stream = Stream::open(&self.servers, self.beat, &first.spec.key, options).await?;
        self.asked.push_back(id);
        for (&id, watch) in watches {
            self.asked.push_back(id);
            stream.watch(watch.spec.key.clone(), watch.spec.options(id, watch.next));
        }
        self.stream = Some(stream);
        Ok(Served::Opened)
    }

    /// Serves the open stream until it breaks.
    async fn serve(&mut self, backoff: &mut Backoff) -> Result<Served> {
        let Some(mut stream) = self.stream.take() else { return Ok(Served::Opened) };
        let mut beats = interval(self.beat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let server = stream.server;
        let opened = Instant::now();
        let result = loop {
            tokio::select! {
                answer = stream.next() => match answer {
                    Ok(answer) => {
                        if let Err(error) = self.tell(&answer).await {
                            break Err(error);
                        }
                    }
                    Err(error) => break Err(error),
                },
                command = self.received.recv() => {
                    let Some(command) = command else { break Ok(Served::Finished) };
                    self.forward(&mut stream, command);
                }
                _ = beats.tick() => {
                    // Without a watch nobody waits for an answer.
                    if self.watches.is_empty() {
                        stream.rested();
                    } else if let Err(error) = stream.beat(self.beat) {
                        break Err(error);
                    }
                }
            }
        };
        if result.is_err() {
            self.servers.avoid(server);
        }
        // Not at its first answers: they only say that the server watches, and what breaks a stream comes next.
        if opened.elapsed() >= self.beat {
            backoff.reset();
        }
        result
    }

    fn forward(&mut self, stream: &mut Stream, command: Command) {
        match &command {
            Command::Watch(id, spec, _) => {
                let (key, options) = (spec.key.clone(), spec.options(*id, spec.from));
                self.asked.push_back(*id);
                // Nobody has asked for a sign of life while there was nothing to watch.
                if self.watches.is_empty() {
                    stream.rested();
                }
                self.accept(command);
                stream.watch(key, options);
            }
            Command::Cancel(id) => {
                if self.watches.remove(id).is_some() {
                    stream.cancel(*id);
                }
            }
        }
    }

    /// Tells a watcher what the server said.
    async fn tell(&mut self, answer: &WatchResponse) -> Result<()> {
        let id = answer.watch_id();
        if answer.canceled() {
            return self.cancelled(id, answer).await;
        }
        // Progress, or the answer to a watch that was cancelled meanwhile.
        let Some(watch) = self.watches.get_mut(&id) else { return Ok(()) };
        if answer.created() {
            let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            if watch.next == 0 {
                watch.next = revision + 1;
            }
            watch.refused = false;
            self.asked.retain(|asked| *asked != id);
            (watch.sink)(Notice::Watching(revision));
            return Ok(());
        }
        let mut changes = changes(answer);
        // After a new stream the server may begin anew in the middle of a revision.
        changes.retain(|change| change.revision >= watch.next);
        if let Some(last) = changes.last() {
            watch.next = last.revision + 1;
            (watch.sink)(Notice::Changes(changes));
        }
        Ok(())
    }

    async fn cancelled(&mut self, id: i64, answer: &WatchResponse) -> Result<()> {
        // Some versions refuse a watch under the id -1. They answer in the order of the questions.
        let id = if id < 0 { self.asked.front().copied().unwrap_or(id) } else { id };
        self.asked.retain(|asked| *asked != id);
        // Else it is the confirmation of our own cancel.
        let Some(watch) = self.watches.get_mut(&id) else { return Ok(()) };
        if answer.compact_revision() > 0 {
            (watch.sink)(Notice::Compacted);
            self.watches.remove(&id);
            return Ok(());
        }
        let reason = answer.cancel_reason();
        let denied = reason.contains("permission denied") || reason.contains("auth");
        if denied && watch.refused {
            (watch.sink)(Notice::Refused(reason.into()));
            self.watches.remove(&id);
            return Ok(());
        }
        if denied {
            // The stream's token may have expired: once more, on a new stream with a new token.
            watch.refused = true;
            self.servers.refresh_tokens(self.beat).await;
        }
        let kind = if denied { Kind::PermissionDenied } else { Kind::Unavailable };
        Err(error::new(kind, Operation::Observe).message(reason.to_owned()))
    }
}

/// Why the hub stopped serving, short of a failure.
enum Served {
    Opened,
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use testkit::etcd::Etcd;
    use testkit::need::{self, Tool};

    use crate::address::Address;
    use crate::watch::Extent;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_that_breaks_as_soon_as_it_is_open_is_opened_ever_more_slowly() {
        if !need::has(Tool::Etcd) {
            return;
        }
        let etcd = Etcd::single().await.unwrap();
        let address = Address::parse(&format!("etcd://{}", etcd.endpoints()[0])).unwrap();
        let hub = Hub::start(Arc::new(Servers::at(&address).await.unwrap()), Duration::from_secs(1));
        let spec = |key: &str, extent| Spec { key: key.into(), extent, from: 0, deletes_only: false };
        let interrupted = Arc::new(AtomicUsize::new(0));
        let count = interrupted.clone();
        let _accepted = hub.watch(spec("a", Extent::Key), move |notice| {
            if matches!(notice, Notice::Interrupted) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        // A range that ends before it begins.
        let _refused = hub.watch(spec("b", Extent::Through(b"a".to_vec())), drop);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let times = interrupted.load(Ordering::Relaxed);
        assert!((2..=20).contains(&times), "interrupted {times} times in 2 s");
    }
}
