//! Where a long run stands.

use std::env;

use crate::clock;

/// Says what is being measured, how many figures it follows, and how long the target has run.
///
/// On the standard error, as criterion's own remarks: its output stays what its tools expect.
pub(super) struct Progress {
    name: &'static str,
    started: u64,
    begun: usize,
    /// Of how many targets this is which: `cargo xtask bench` knows, and tells.
    place: Option<String>,
}

impl Progress {
    pub(super) fn start(name: &'static str) -> Self {
        Self { name, started: clock::now_ns(), begun: 0, place: env::var("BENCH_PLACE").ok() }
    }

    pub(super) fn begins(&mut self, what: &str) {
        self.begun += 1;
        let seconds = clock::since(self.started).as_secs();
        let place = self.place.as_ref().map_or_else(String::new, |place| format!("{place}, "));
        let (name, begun) = (self.name, self.begun);
        eprintln!("[{place}{name} {}:{:02}, figure {begun}] {what}", seconds / 60, seconds % 60);
    }
}
