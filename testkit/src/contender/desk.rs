//! [`Desk`]: where a leader's work is done, on a thread beside its checks.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinHandle;

use super::sink::Sink;
use super::work::{self, Watched};

/// The way to the sink; without a path there is no work.
pub(super) struct Desk {
    path: Option<PathBuf>,
    pace: Duration,
    /// Open from one leadership to the next, unless the work of the one before is still at it.
    sink: Arc<Mutex<Option<Sink>>>,
}

/// The work of one leadership. Told to stop when it is dropped; its last writes are the gate's business.
pub(super) struct Work {
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Desk {
    /// Opens the sink, and creates it if it is not there.
    pub(super) fn new(path: Option<PathBuf>, pace: Duration) -> Result<Self> {
        let sink = path.as_deref().map(Sink::open).transpose()?;
        Ok(Self { path, pace, sink: Arc::new(Mutex::new(sink)) })
    }

    /// One unit after the other from now on.
    pub(super) fn begin(&self, watched: Watched, writer: String) -> Work {
        let enough = Arc::new(AtomicBool::new(false));
        let thread = self.path.clone().map(|path| {
            let (stop, slot, pace) = (Arc::clone(&enough), Arc::clone(&self.sink), self.pace);
            tokio::task::spawn_blocking(move || {
                let kept = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                let sink = kept.map_or_else(|| Sink::open(&path), Ok)?;
                let sink = work::run(&watched, sink, pace, &writer, &stop)?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
                Ok(())
            })
        });
        Work { enough, thread }
    }
}

impl Work {
    /// Stops it, and waits until it has stopped.
    pub(super) async fn drain(mut self) -> Result<()> {
        self.enough.store(true, Ordering::SeqCst);
        match self.thread.take() {
            Some(thread) => thread.await?,
            None => Ok(()),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::SeqCst);
    }
}
