//! The clock of a simulated process: compiled only with the feature `sim`, which the crate `sim` alone asks for.
//!
//! It replaces the machine's clock on one thread and while that thread runs the process; everywhere else, also in a build
//! with the feature, nothing is different.

use std::cell::RefCell;
use std::sync::Arc;

use crate::clock::{Clock, Instant};

thread_local! {
    static CLOCK: RefCell<Option<Arc<dyn Clock>>> = const { RefCell::new(None) };
}

/// Runs `work` with this clock in place of [`BootClock`](crate::clock::BootClock) on this thread.
pub fn with_clock<T>(clock: Arc<dyn Clock>, work: impl FnOnce() -> T) -> T {
    let before = CLOCK.replace(Some(clock));
    let done = work();
    CLOCK.set(before);
    done
}

pub(crate) fn now() -> Option<Instant> {
    // Cloned: the clock may itself be asked while it answers.
    CLOCK.with_borrow(Clone::clone).map(|clock| clock.now())
}
