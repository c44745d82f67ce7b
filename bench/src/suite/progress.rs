//! Where a long run stands.

use crate::clock;

/// Says what is being measured, how many figures it follows, and how long the target has run.
///
/// On the standard error, as criterion's own remarks: its output stays what its tools expect.
pub(super) struct Progress {
    name: &'static str,
    started: u64,
    begun: usize,
}

impl Progress {
    pub(super) fn start(name: &'static str) -> Self {
        Self { name, started: clock::now_ns(), begun: 0 }
    }

    pub(super) fn begins(&mut self, what: &str) {
        self.begun += 1;
        let seconds = clock::since(self.started).as_secs();
        let (name, begun) = (self.name, self.begun);
        eprintln!("[{name} {}:{:02}, figure {begun}] {what}", seconds / 60, seconds % 60);
    }
}
