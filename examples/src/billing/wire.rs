//! The lines that the processes of the stage exchange: JSON, one object a line, on standard output.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// What a worker or the provider reports to the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Report {
    /// The provider listens.
    Listening {
        /// At this port of the loopback.
        port: u16,
    },
    /// The provider has charged and holds the answer back.
    Held {
        /// The invoice that was charged.
        invoice: String,
        /// Who asked.
        worker: String,
        /// Under this token.
        token: u64,
    },
    /// The provider carries out a step of its script.
    Faulty {
        /// What it does.
        fault: super::provider::script::Fault,
    },
    /// The worker is connected and campaigns.
    Ready,
    /// The first check of a leadership has passed.
    Claimed {
        /// The fencing token.
        token: u64,
        /// When, in nanoseconds on the boot clock that all processes of a machine share.
        at: u64,
    },
    /// The fence has seen the token, and the ledger was read.
    Began {
        /// The fencing token.
        token: u64,
    },
    /// The provider has answered.
    Charged {
        /// The invoice.
        invoice: String,
        /// Whether the charge had been executed before: the key was known.
        replayed: bool,
    },
    /// The provider has not answered.
    Unknown {
        /// The invoice, which may or may not be charged.
        invoice: String,
        /// What happened instead.
        why: String,
    },
    /// The outcome is in the ledger.
    Settled {
        /// The invoice.
        invoice: String,
        /// Under this token.
        token: u64,
    },
    /// The fence has refused a write.
    Fenced {
        /// The invoice, if it was about one.
        invoice: Option<String>,
        /// The token that came too late.
        token: u64,
        /// The highest that the fence has seen.
        highest: u64,
    },
    /// This leader finds nothing unpaid.
    Idle {
        /// The fencing token.
        token: u64,
    },
    /// A leadership is over.
    Ended {
        /// The fencing token.
        token: u64,
        /// Why.
        why: String,
    },
    /// The process gives up.
    Failed {
        /// Why.
        error: String,
    },
}

/// Writes one line and flushes it.
///
/// Nobody to tell is no error: then the lifeline is cut as well.
pub fn report(report: &Report) {
    let Ok(mut line) = serde_json::to_string(report) else { return };
    line.push('\n');
    // One write per line: lines of different threads do not mix.
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).ok();
}

/// What the stage tells a worker, on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Campaign and work.
    #[default]
    Work,
    /// Finish the invoice at hand, resign, and queue up again.
    Resign,
    /// Finish, resign, close the coordinator and exit.
    Quit,
}

impl Order {
    /// The word on the line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Resign => "resign",
            Self::Quit => "quit",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        [Self::Work, Self::Resign, Self::Quit].into_iter().find(|order| order.word() == line.trim())
    }
}
