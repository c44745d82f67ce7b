//! [`Progress`]: what a person sees while a run goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::nemesis::Exercise;

/// One line per fault, and on a terminal a line at the bottom that says what is going on.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// On the terminal, if there is one.
    #[must_use]
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        // The template is a constant, and right.
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").expect("a template");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, begun: Instant::now() }
    }

    /// Says what is going on now.
    pub fn now(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// A line that stays.
    pub fn say(&self, line: impl AsRef<str>) {
        let seconds = self.begun.elapsed().as_secs();
        let line = format!("[{:02}:{:02}] {}", seconds / 60, seconds % 60, line.as_ref());
        if self.bar.is_hidden() {
            println!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// A fault is over.
    pub(super) fn struck(&self, name: &str, target: &str, lasted: Duration, exercise: &Exercise) {
        let how = match exercise {
            Exercise::Done => String::new(),
            Exercise::Missed(why) => format!(" — missed: {why}"),
        };
        self.say(format!("{name:<18} {:>5.1} s  {target}{how}", lasted.as_secs_f64()));
    }

    /// Takes the line at the bottom away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
