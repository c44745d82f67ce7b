//! Time: the true one, and what a machine takes for it.

use std::sync::atomic::{AtomicU64, Ordering};

use election_core::clock::{Clock, Instant};

/// The clock of one machine, while one process runs on it.
///
/// Each machine's own milliseconds are a little longer or shorter than the true ones, by its rate; a process runs from
/// one of its milliseconds to the next, so what it does within one happens at one moment.
#[derive(Debug)]
pub(crate) struct Timepiece {
    /// The true time, in nanoseconds from the beginning of the run.
    truth: AtomicU64,
    /// The machine's own time.
    own: AtomicU64,
}

impl Timepiece {
    pub(crate) fn new(truth: u64, own: u64) -> Self {
        Self { truth: AtomicU64::new(truth), own: AtomicU64::new(own) }
    }

    /// Sets both.
    pub(crate) fn set(&self, truth: u64, own: u64) {
        self.truth.store(truth, Ordering::SeqCst);
        self.own.store(own, Ordering::SeqCst);
    }

    /// The true time.
    pub(crate) fn now(&self) -> u64 {
        self.truth.load(Ordering::SeqCst)
    }

    /// The machine's own time.
    pub(crate) fn own(&self) -> u64 {
        self.own.load(Ordering::SeqCst)
    }
}

impl Clock for Timepiece {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.own())
    }
}
