//! The link's failures, translated once.

use crate::error::{Error, Kind, Operation};

pub(super) const BACKEND: &str = "memory";

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallError {
    /// The service is stopped: the request was refused.
    Stopped,
    /// No answer within the bound: the request may or may not have been served.
    NoAnswer,
}

impl CallError {
    pub(super) fn during(self, operation: Operation) -> Error {
        match self {
            Self::Stopped => Error::new(Kind::Unavailable, operation),
            Self::NoAnswer => Error::new(Kind::Timeout, operation),
        }
        .backend(BACKEND)
    }
}

pub(super) fn closed(operation: Operation) -> Error {
    Error::new(Kind::Closed, operation).backend(BACKEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_the_link_is_retryable_and_names_the_backend() {
        for (failure, kind) in [(CallError::Stopped, Kind::Unavailable), (CallError::NoAnswer, Kind::Timeout)]
        {
            let error = failure.during(Operation::Campaign);
            assert_eq!(error.kind(), kind);
            assert!(error.is_retryable());
            assert!(error.to_string().starts_with("memory: campaign"), "{error}");
        }
    }
}
