//! ZooKeeper's errors become ours here, once.

use election_core::{Error, Kind, Loss, Operation};
use zookeeper_client as zk;

/// The name of this backend in errors and in [`Coordinator::backend`](election_core::Coordinator::backend).
pub(crate) const BACKEND: &str = "zk";

/// A failure of the client, and what was being done.
pub(crate) struct Failure(pub(crate) Operation, pub(crate) zk::Error);

impl From<Failure> for Error {
    fn from(Failure(operation, error): Failure) -> Self {
        let base = Error::new(kind(&error), operation).backend(BACKEND);
        let base = match error {
            zk::Error::NoAuth => base.message(
                "the root belongs to other credentials: give user:password of its owner in the URL, or another root",
            ),
            zk::Error::AuthFailed => base.message("the servers refused the credentials"),
            zk::Error::QuotaExceeded => base.message("the quota of the root is used up: raise it"),
            zk::Error::NotReadOnly => base.message("this server has no quorum"),
            _ => base,
        };
        base.source(error)
    }
}

/// What an error of the client means, variant by variant.
pub(crate) fn kind(error: &zk::Error) -> Kind {
    use zk::Error as E;
    match error {
        // The connection; whatever was in flight may or may not have happened.
        E::NoHosts | E::ConnectionLoss | E::Throttled | E::NotReadOnly | E::Custom(_) => Kind::Unavailable,
        E::Timeout => Kind::Timeout,
        // A client that is closed is one that we closed: its session had ended.
        E::SessionExpired | E::SessionMoved | E::ClientClosed => Kind::SessionLost,
        E::NoAuth | E::AuthFailed | E::QuotaExceeded => Kind::PermissionDenied,
        E::BadArguments(_) | E::InvalidAcl | E::NoChildrenForEphemerals => Kind::InvalidConfig,
        E::UnmarshalError { .. }
        | E::UnexpectedError(_)
        | E::UnexpectedErrorCode(_)
        | E::NoNode
        | E::NodeExists
        | E::NotEmpty
        | E::BadVersion
        | E::NoWatcher
        | E::MarshallingError
        | E::Unimplemented
        | E::ReconfigDisabled
        | E::RuntimeInconsistent => Kind::Unexpected,
        // The client's enum is non-exhaustive.
        _ => Kind::Unexpected,
    }
}

/// Whether the request may be sent again on the same session once the connection is back.
pub(crate) fn is_passing(error: &zk::Error) -> bool {
    matches!(kind(error), Kind::Unavailable | Kind::Timeout)
}

/// A campaign whose session ended.
pub(crate) fn session_lost(loss: Loss, operation: Operation) -> Error {
    let kind = if loss == Loss::Closed { Kind::Closed } else { Kind::SessionLost };
    Error::new(kind, operation).backend(BACKEND).source(loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_client_has_a_kind() {
        use zk::Error as E;
        let table = [
            (E::NoHosts, Kind::Unavailable),
            (E::ConnectionLoss, Kind::Unavailable),
            (E::Throttled, Kind::Unavailable),
            (E::NotReadOnly, Kind::Unavailable),
            (E::Timeout, Kind::Timeout),
            (E::SessionExpired, Kind::SessionLost),
            (E::SessionMoved, Kind::SessionLost),
            (E::ClientClosed, Kind::SessionLost),
            (E::NoAuth, Kind::PermissionDenied),
            (E::AuthFailed, Kind::PermissionDenied),
            (E::QuotaExceeded, Kind::PermissionDenied),
            (E::BadArguments(&"path"), Kind::InvalidConfig),
            (E::InvalidAcl, Kind::InvalidConfig),
            (E::NoChildrenForEphemerals, Kind::InvalidConfig),
            (E::UnmarshalError { entity: "stat", reason: &"short" }, Kind::Unexpected),
            (E::UnexpectedError("odd".into()), Kind::Unexpected),
            (E::UnexpectedErrorCode(-42), Kind::Unexpected),
            (E::NoNode, Kind::Unexpected),
            (E::NodeExists, Kind::Unexpected),
            (E::NotEmpty, Kind::Unexpected),
            (E::BadVersion, Kind::Unexpected),
            (E::NoWatcher, Kind::Unexpected),
            (E::MarshallingError, Kind::Unexpected),
            (E::Unimplemented, Kind::Unexpected),
            (E::ReconfigDisabled, Kind::Unexpected),
            (E::RuntimeInconsistent, Kind::Unexpected),
        ];
        for (error, expected) in table {
            let text = format!("{error:?}");
            let converted = Error::from(Failure(Operation::Campaign, error));
            assert_eq!(converted.kind(), expected, "{text}");
            assert_eq!(converted.operation(), Operation::Campaign);
            let shown = converted.to_string();
            assert!(shown.starts_with("zk: campaign: ") && !shown.contains('\n'), "{shown}");
        }
    }

    #[test]
    fn a_closed_coordinator_is_told_from_a_lost_session() {
        assert_eq!(session_lost(Loss::Closed, Operation::Campaign).kind(), Kind::Closed);
        assert_eq!(session_lost(Loss::Unproven, Operation::Campaign).kind(), Kind::SessionLost);
        assert_eq!(session_lost(Loss::SessionExpired, Operation::Campaign).kind(), Kind::SessionLost);
    }
}
