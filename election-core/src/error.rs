//! One opaque [`Error`]: what failed ([`Operation`]), where, why ([`Kind`]) and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use crate::candidate::ElectionName;
use crate::leadership::Loss;

/// The result of every fallible function of this project.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// Exhaustive on purpose: a caller that handles each kind is told by the compiler when one is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The coordination service cannot be reached, or has no quorum. Retryable.
    Unavailable,
    /// No answer within the bound; the operation may or may not have taken effect. Retryable.
    Timeout,
    /// The session, or the candidate's own record, is gone. Retryable: campaign anew.
    SessionLost,
    /// The leadership had ended before.
    NotLeader,
    /// The credentials, the certificate or the rights do not suffice.
    PermissionDenied,
    /// A setting, a name or a value is out of bounds; the message names it and its limit.
    InvalidConfig,
    /// The coordinator was closed.
    Closed,
    /// What should not happen: a malformed answer, a record of an unknown form, a defect.
    Unexpected,
}

impl Kind {
    /// Whether the same call may succeed later without a change of configuration.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Unavailable | Self::Timeout | Self::SessionLost => true,
            Self::NotLeader
            | Self::PermissionDenied
            | Self::InvalidConfig
            | Self::Closed
            | Self::Unexpected => false,
        }
    }

    /// What a person can do about it, for messages that do not say so themselves.
    const fn advice(self) -> &'static str {
        match self {
            Self::Unavailable => "check that the coordination service runs and can be reached, then retry",
            Self::Timeout => "retry; if it lasts, the service is overloaded or the timeout too short",
            Self::SessionLost => "campaign again",
            Self::NotLeader => "stop the work; campaign again to lead",
            Self::PermissionDenied => "check the credentials and the rights on the election's root",
            Self::InvalidConfig => "correct the setting",
            Self::Closed => "connect a new coordinator",
            Self::Unexpected => "please report it with its source",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timed out",
            Self::SessionLost => "session lost",
            Self::NotLeader => "not the leader",
            Self::PermissionDenied => "permission denied",
            Self::InvalidConfig => "invalid configuration",
            Self::Closed => "closed",
            Self::Unexpected => "unexpected",
        })
    }
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reading a configuration, a name or a URL.
    Configure,
    /// Connecting to the coordination service, or opening a session.
    Connect,
    /// [`Elector::campaign`](crate::Elector::campaign).
    Campaign,
    /// [`Elector::resign`](crate::Elector::resign).
    Resign,
    /// [`Elector::observe`](crate::Elector::observe).
    Observe,
    /// Renewing the session.
    Renew,
    /// A write through a fence.
    Fence,
    /// [`Coordinator::close`](crate::Coordinator::close).
    Close,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Connect => "connect",
            Self::Campaign => "campaign",
            Self::Resign => "resign",
            Self::Observe => "observe",
            Self::Renew => "renew",
            Self::Fence => "fence",
            Self::Close => "close",
        })
    }
}

type Source = Box<dyn StdError + Send + Sync>;

/// An error of any backend.
///
/// `Display` is one line that names the backend, the operation, the election and the cause, and says what to
/// do. It holds no secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    operation: Operation,
    backend: Option<&'static str>,
    election: Option<ElectionName>,
    message: Option<String>,
    source: Option<Source>,
}

impl Error {
    /// An error with nothing but its kind and what was being done.
    #[must_use]
    pub fn new(kind: Kind, operation: Operation) -> Self {
        let inner = Inner { kind, operation, backend: None, election: None, message: None, source: None };
        Self(Box::new(inner))
    }

    /// Shorthand for [`Kind::InvalidConfig`] in [`Operation::Configure`].
    #[must_use]
    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidConfig, Operation::Configure).message(message)
    }

    /// Names the backend: `etcd`, `zk`, `raft`, `memory`.
    #[must_use]
    pub fn backend(mut self, backend: &'static str) -> Self {
        self.0.backend = Some(backend);
        self
    }

    /// Names the election.
    #[must_use]
    pub fn election(mut self, election: &ElectionName) -> Self {
        self.0.election = Some(election.clone());
        self
    }

    /// Says what was found, what the limit is, and what to do. Replaces the general advice of the kind.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Keeps the error that caused this one. It must hold no secret.
    #[must_use]
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, seen while doing something else.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        self.0.operation = operation;
        self
    }

    /// Why the operation failed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The election, where there is one.
    #[must_use]
    pub fn election_name(&self) -> Option<&ElectionName> {
        self.0.election.as_ref()
    }

    /// Whether the same call may succeed later: [`Kind::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, backend, election, message, source } = &*self.0;
        if let Some(backend) = backend {
            write!(f, "{backend}: ")?;
        }
        write!(f, "{operation}")?;
        if let Some(election) = election {
            write!(f, " in election {election:?}")?;
        }
        write!(f, ": {kind}")?;
        match message {
            Some(message) => write!(f, ": {message}")?,
            None => write!(f, ": {}", kind.advice())?,
        }
        // One line, whatever the service answered.
        if let Some(source) = source {
            write!(f, " ({})", source.to_string().replace(['\n', '\r'], " "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("backend", &self.0.backend)
            .field("election", &self.0.election)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// A leader that finds out that it has lost stops its work with `?`.
impl From<Loss> for Error {
    fn from(loss: Loss) -> Self {
        Self::new(Kind::NotLeader, Operation::Fence).source(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_that_names_everything() {
        let error = Error::new(Kind::Unavailable, Operation::Campaign)
            .backend("etcd")
            .election(&ElectionName::new("billing").unwrap())
            .message("no endpoint of h1:2379, h2:2379 answered within 3s: is the cluster up?")
            .source("connection\nrefused");
        assert_eq!(
            error.to_string(),
            "etcd: campaign in election \"billing\": unavailable: no endpoint of h1:2379, h2:2379 answered \
             within 3s: is the cluster up? (connection refused)"
        );
    }

    #[test]
    fn an_error_without_a_message_gives_the_advice_of_its_kind() {
        let error = Error::new(Kind::NotLeader, Operation::Resign);
        assert_eq!(error.to_string(), "resign: not the leader: stop the work; campaign again to lead");
    }
}
