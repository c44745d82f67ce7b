//! `check` and `sample`: what the candidate's leadership says when asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use election::LeadershipHandle;

use super::event::{Event, Output};
use crate::clock;

/// The present or last leadership of the candidate, as the tasks and the sampling thread share it.
#[derive(Clone, Default)]
pub(super) struct Seat(Arc<Mutex<Option<LeadershipHandle>>>);

impl Seat {
    /// A new leadership.
    pub(super) fn set(&self, leadership: LeadershipHandle) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(leadership);
    }

    /// Says whether the candidate leads.
    pub(super) fn check(&self, output: &Output) {
        let seat = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Read before the check and not after it: a pause between the two must not date the answer later than
        // the moment it is true for.
        let t = clock::now_ns();
        let ok = seat.as_ref().is_some_and(|leadership| leadership.check().is_ok());
        let token = seat.as_ref().map_or(0, |leadership| leadership.token().get());
        let valid_for = match &seat {
            Some(leadership) if ok => leadership
                .valid_until()
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(leadership.now())),
            _ => Duration::ZERO,
        };
        let valid_for_ns = u64::try_from(valid_for.as_nanos()).unwrap_or(u64::MAX);
        output.say(&Event::Check { ok, token, valid_for_ns, t });
    }
}

/// Checks at a fixed pace from a plain thread, whatever the async tasks do.
#[derive(Default)]
pub(super) struct Sampler {
    thread: Option<(Thread, Arc<Mutex<Duration>>)>,
}

impl Sampler {
    /// Starts sampling, or changes its pace; zero stops it.
    pub(super) fn every(&mut self, pace: Duration, seat: &Seat, output: &Output) {
        if let Some((thread, shared)) = &self.thread {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = pace;
            thread.unpark();
            return;
        }
        let shared = Arc::new(Mutex::new(pace));
        let (pace, seat, output) = (shared.clone(), seat.clone(), output.clone());
        // It ends with the process.
        let handle = thread::spawn(move || sample(&pace, &seat, &output));
        self.thread = Some((handle.thread().clone(), shared));
    }
}

fn sample(pace: &Mutex<Duration>, seat: &Seat, output: &Output) {
    let mut next = clock::now_ns();
    loop {
        let every = *pace.lock().unwrap_or_else(PoisonError::into_inner);
        if every.is_zero() {
            thread::park();
            next = clock::now_ns();
            continue;
        }
        seat.check(output);
        next += u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        let now = clock::now_ns();
        // After a pause of the process (SIGSTOP) go on from now: a burst of samples says nothing.
        next = next.max(now);
        let until = Duration::from_nanos(next - now);
        thread::park_timeout(until);
    }
}
