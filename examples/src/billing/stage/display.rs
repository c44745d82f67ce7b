//! What a person sees while it runs: a progress bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use election_core::clock::Instant;
use indicatif::{ProgressBar, ProgressStyle};

use super::cast::name;
use super::state::State;

/// The live display.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    began: Instant,
    /// The last tenth that was reported in plain lines.
    tenth: std::cell::Cell<u64>,
}

impl Display {
    pub(super) fn new() -> Self {
        // Both: indicatif draws on standard error, and the lines belong together with it.
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} settled  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, began: Instant::now(), tenth: std::cell::Cell::new(0) }
    }

    /// One line, with the time since the start.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        let elapsed = Instant::now().saturating_duration_since(self.began).as_secs_f64();
        let line = format!("{elapsed:7.3}  {}", text.as_ref());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => println!("{line}"),
        }
    }

    /// How far the work is and who does it.
    pub(super) fn progress(&self, state: &State) {
        let Some(bar) = &self.bar else {
            let tenth = state.settled * 10 / state.total.max(1);
            if self.tenth.replace(tenth) < tenth {
                self.line(format!("{} of {} invoices settled", state.settled, state.total));
            }
            return;
        };
        bar.set_length(state.total);
        bar.set_position(state.settled.min(state.total));
        bar.set_message(match state.leader() {
            Some(claim) => format!("{} leads, token {}", name(claim.worker), claim.token),
            None => "nobody leads".into(),
        });
    }

    /// Takes the bar away: the account comes now.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
