//! Observation: one feed per election and process, whatever the number of observers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use election_core::backend::Sequence;
use election_core::{ElectionName, Error, Kind, LeaderEvent, LeaderEvents, Operation, Result};
use futures::StreamExt;
use futures::stream::unfold;
use tokio::sync::{mpsc, watch};

use crate::coordinator::Shared;
use crate::error::BACKEND;
use crate::feed;

/// What the observers of one election share. Its task ends when the last of them is dropped.
pub(crate) struct Feed {
    /// Questions asked so far.
    asked: AtomicU64,
    questions: mpsc::UnboundedSender<u64>,
    seen: watch::Receiver<Seen>,
}

/// The newest state.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) event: Option<LeaderEvent>,
    /// The state is not older than this question.
    pub(crate) answers: u64,
    /// It is the last: why.
    pub(crate) ended: Option<(Kind, Arc<str>)>,
}

impl Feed {
    fn of(shared: &Arc<Shared>, election: &ElectionName) -> Arc<Self> {
        let mut feeds = lock(&shared.feeds);
        if let Some(feed) = feeds.get(election).and_then(std::sync::Weak::upgrade)
            && !feed.questions.is_closed()
        {
            return feed;
        }
        let (questions, inbox) = mpsc::unbounded_channel();
        let (seen, seen_by_all) = watch::channel(Seen::default());
        let feed = Arc::new(Self { asked: AtomicU64::new(0), questions, seen: seen_by_all });
        feeds.retain(|_, feed| feed.strong_count() > 0);
        feeds.insert(election.clone(), Arc::downgrade(&feed));
        shared.runtime.spawn(feed::run(shared.clone(), shared.path(election), inbox, seen));
        feed
    }

    /// Asks for a state that is not older than this moment.
    fn ask(&self) -> u64 {
        let question = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        // A feed that has ended has said so in `seen`.
        let _ = self.questions.send(question);
        question
    }
}

/// A mutex whose holders do not panic halfway: see the few lines that take it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Observer {
    New(Arc<Shared>, ElectionName),
    Following { feed: Arc<Feed>, seen: watch::Receiver<Seen>, question: u64, sequence: Sequence },
    Ended,
}

pub(crate) fn observe(shared: &Arc<Shared>, election: &ElectionName) -> LeaderEvents {
    let election = election.clone();
    unfold(Observer::New(shared.clone(), election.clone()), move |observer| {
        let election = election.clone();
        async move {
            let (item, observer) = observer.next().await?;
            Some((item.map_err(|error| error.election(&election)), observer))
        }
    })
    .boxed()
}

impl Observer {
    async fn next(self) -> Option<(Result<LeaderEvent>, Self)> {
        let (feed, mut seen, question, mut sequence) = match self {
            Self::New(shared, election) => {
                let feed = Feed::of(&shared, &election);
                let question = feed.ask();
                (feed.clone(), feed.seen.clone(), question, Sequence::default())
            }
            Self::Following { feed, seen, question, sequence } => (feed, seen, question, sequence),
            Self::Ended => return None,
        };
        loop {
            let now = seen.borrow_and_update().clone();
            if let Some((kind, why)) = now.ended {
                let error = Error::new(kind, Operation::Observe).backend(BACKEND);
                let error = if why.is_empty() { error } else { error.message(&*why) };
                return Some((Err(error), Self::Ended));
            }
            if now.answers >= question
                && let Some(mut event) = now.event
            {
                if let LeaderEvent::Disconnected { last, .. } = &mut event {
                    // The feed may have seen a leader that this observer was never shown.
                    *last = sequence.last_leader().cloned();
                }
                if let Some(event) = sequence.admit(event) {
                    return Some((Ok(event), Self::Following { feed, seen, question, sequence }));
                }
            }
            if seen.changed().await.is_err() {
                // The runtime is shutting down.
                let error = Error::new(Kind::Closed, Operation::Observe).backend(BACKEND);
                return Some((Err(error), Self::Ended));
            }
        }
    }
}
