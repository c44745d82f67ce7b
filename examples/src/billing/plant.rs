//! Defects to switch on: an audit that cannot fail shows nothing.

use clap::ValueEnum;

/// A defect in the worker. Each is one that real services have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    /// The idempotency key contains the token, so each leader has keys of its own.
    KeyWithToken,
    /// The ledger is written without asking the fence.
    NoFence,
    /// No answer is taken for "not charged": the invoice is given up.
    UnknownIsFailure,
}

impl Plant {
    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A place in the worker at which it can be made to die, as if killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CrashPoint {
    /// Before the provider is asked.
    BeforeCharge,
    /// After the provider's answer, before the ledger is written.
    AfterCharge,
    /// After the statements of the write-back, before its commit.
    InTransaction,
    /// After the commit.
    AfterCommit,
}

impl CrashPoint {
    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Dies by SIGKILL if this is the point that was asked for: no destructor, no rollback, no farewell.
    pub fn reach(self, asked: Option<Self>) {
        if asked == Some(self) {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
        }
    }
}
