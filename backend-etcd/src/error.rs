//! etcd's errors become ours here, once.

use std::error::Error as StdError;
use std::fmt;

use election_core::{Error, Kind, Loss, Operation};
use etcd_client::Error as EtcdError;
use tonic::{Code, Status};

use crate::BACKEND;

/// An error of this backend.
pub(crate) fn new(kind: Kind, operation: Operation) -> Error {
    Error::new(kind, operation).backend(BACKEND)
}

/// What an answer of etcd-client means to us.
pub(crate) fn from_etcd(error: EtcdError, operation: Operation) -> Error {
    let kind = kind_of(&error);
    let cause = Cause { text: text_of(&error), inner: error };
    let ours = new(kind, operation);
    match advice(kind, &cause.text) {
        Some(advice) => ours.message(advice),
        None => ours,
    }
    .source(cause)
}

/// What the end of a session means to a campaign.
pub(crate) fn from_loss(loss: Loss, operation: Operation) -> Error {
    let kind = match loss {
        Loss::SessionExpired | Loss::Deposed | Loss::Unproven => Kind::SessionLost,
        Loss::Closed => Kind::Closed,
    };
    new(kind, operation).source(loss)
}

/// Users or roles have changed since the token was made, or while the request was under way. etcd-client asks for a new
/// token only when it is told that the old one is invalid.
pub(crate) fn wants_a_new_token(error: &EtcdError) -> bool {
    matches!(error, EtcdError::GRpcStatus(status) if is_of_old_users(status.message()))
}

/// In the words of etcd 3.4 and later, and of older ones, which have no code for it (etcd #13300).
fn is_of_old_users(message: &str) -> bool {
    message.contains("revision of auth store is old") || message.contains("auth: revision in header is old")
}

fn kind_of(error: &EtcdError) -> Kind {
    match error {
        EtcdError::InvalidArgs(_) | EtcdError::InvalidUri(_) => Kind::InvalidConfig,
        EtcdError::IoError(_) | EtcdError::EndpointError(_) | EtcdError::WatchError(_) => Kind::Unavailable,
        EtcdError::TransportError(error) => transport_kind(&chain(error)),
        EtcdError::GRpcStatus(status) => status_kind(status),
        // "lease not found": the first answer of a keep-alive stream had no TTL left.
        EtcdError::LeaseKeepAliveError(_) => Kind::SessionLost,
        EtcdError::Utf8Error(_)
        | EtcdError::ElectError(_)
        | EtcdError::InvalidMetadataValue(_)
        | EtcdError::EndpointsNotManaged
        | EtcdError::Internal(_) => Kind::Unexpected,
    }
}

fn status_kind(status: &Status) -> Kind {
    let message = status.message();
    match status.code() {
        Code::Unavailable => transport_kind(&chain(status)),
        Code::DeadlineExceeded | Code::Cancelled => Kind::Timeout,
        Code::Unauthenticated | Code::PermissionDenied => Kind::PermissionDenied,
        // "too many requests" and "database space exceeded": both pass once the cluster is relieved.
        Code::ResourceExhausted => Kind::Unavailable,
        Code::InvalidArgument | Code::Unknown if is_of_old_users(message) => Kind::Unavailable,
        Code::InvalidArgument if message.contains("auth") || message.contains("user name is empty") => {
            Kind::PermissionDenied
        }
        Code::InvalidArgument if message.contains("request is too large") => Kind::InvalidConfig,
        Code::FailedPrecondition if message.contains("authentication is not enabled") => Kind::InvalidConfig,
        // The first attempt of a grant was obeyed and its answer lost: the next one has another id.
        Code::FailedPrecondition if message.contains("lease already exists") => Kind::Unavailable,
        Code::NotFound if message.contains("lease not found") => Kind::SessionLost,
        // The server has no leader to propose to, or its leader is handing over; or it is being removed. Raft's own
        // words: etcd has no code for them.
        Code::Unknown if message.contains("raft proposal dropped") || message.contains("raft: stopped") => {
            Kind::Unavailable
        }
        // tonic reports a broken connection with these two; etcd's own come without a source.
        Code::Unknown | Code::Internal if StdError::source(status).is_some() || message.contains("h2") => {
            transport_kind(&chain(status))
        }
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Kind::Unexpected,
    }
}

/// A refused certificate will be refused again; every other broken connection may come back.
fn transport_kind(text: &str) -> Kind {
    let refused = ["invalid peer certificate", "received fatal alert", "certificate required"];
    if refused.iter().any(|words| text.contains(words)) { Kind::PermissionDenied } else { Kind::Unavailable }
}

fn advice(kind: Kind, text: &str) -> Option<&'static str> {
    match kind {
        Kind::PermissionDenied if text.contains("certificate") || text.contains("fatal alert") => {
            Some("TLS was refused: check ca=, cert=, key= and domain= against the server's certificate")
        }
        Kind::InvalidConfig if text.contains("authentication is not enabled") => {
            Some("the cluster has authentication off: remove the user from the URL")
        }
        Kind::Unavailable if text.contains("database space exceeded") => {
            Some("etcd's database is full: compact, defragment and disarm the NOSPACE alarm")
        }
        _ => None,
    }
}

fn text_of(error: &EtcdError) -> String {
    match error {
        EtcdError::GRpcStatus(status) => chain(status),
        EtcdError::TransportError(error) => chain(error),
        other => other.to_string(),
    }
}

/// The message of a status, and what lies below it, each said once.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let first = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut text = first;
    let mut below = error.source();
    while let Some(error) = below {
        let more = error.to_string();
        if !text.contains(&more) {
            text = if text.is_empty() { more } else { format!("{text}: {more}") };
        }
        below = error.source();
    }
    text
}

/// etcd-client's error with a readable text: its own prints the whole tree in Debug form.
#[derive(Debug)]
struct Cause {
    text: String,
    inner: EtcdError,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_kind() {
        let status = |code, message: &str| EtcdError::GRpcStatus(Status::new(code, message));
        let table = [
            (status(Code::Unavailable, "etcdserver: no leader"), Kind::Unavailable),
            (status(Code::Unavailable, "etcdserver: request timed out"), Kind::Unavailable),
            (status(Code::DeadlineExceeded, ""), Kind::Timeout),
            (status(Code::Cancelled, "Timeout expired"), Kind::Timeout),
            (status(Code::PermissionDenied, "etcdserver: permission denied"), Kind::PermissionDenied),
            (status(Code::Unauthenticated, "etcdserver: invalid auth token"), Kind::PermissionDenied),
            (
                status(
                    Code::InvalidArgument,
                    "etcdserver: authentication failed, invalid user ID or password",
                ),
                Kind::PermissionDenied,
            ),
            (status(Code::InvalidArgument, "etcdserver: user name is empty"), Kind::PermissionDenied),
            (status(Code::InvalidArgument, "etcdserver: request is too large"), Kind::InvalidConfig),
            (
                status(Code::FailedPrecondition, "etcdserver: authentication is not enabled"),
                Kind::InvalidConfig,
            ),
            (status(Code::FailedPrecondition, "etcdserver: lease already exists"), Kind::Unavailable),
            (status(Code::NotFound, "etcdserver: requested lease not found"), Kind::SessionLost),
            (status(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"), Kind::Unavailable),
            (status(Code::ResourceExhausted, "etcdserver: too many requests"), Kind::Unavailable),
            (status(Code::Internal, "h2 protocol error: error reading a body"), Kind::Unavailable),
            (status(Code::Unknown, "raft proposal dropped"), Kind::Unavailable),
            (status(Code::Unknown, "raft: stopped"), Kind::Unavailable),
            (status(Code::Unknown, "auth: revision in header is old"), Kind::Unavailable),
            (status(Code::InvalidArgument, "etcdserver: revision of auth store is old"), Kind::Unavailable),
            (status(Code::Unknown, "something new"), Kind::Unexpected),
            (status(Code::Unimplemented, "unknown method"), Kind::Unexpected),
            (status(Code::OutOfRange, "mvcc: required revision has been compacted"), Kind::Unexpected),
            (EtcdError::InvalidArgs("empty endpoints".into()), Kind::InvalidConfig),
            (EtcdError::IoError(std::io::Error::other("reset")), Kind::Unavailable),
            (EtcdError::WatchError("closed".into()), Kind::Unavailable),
            (EtcdError::EndpointError("gone".into()), Kind::Unavailable),
            (EtcdError::LeaseKeepAliveError("lease not found".into()), Kind::SessionLost),
            (EtcdError::ElectError("never used".into()), Kind::Unexpected),
            (EtcdError::EndpointsNotManaged, Kind::Unexpected),
            (EtcdError::Internal("defect".into()), Kind::Unexpected),
        ];
        for (error, kind) in table {
            let text = error.to_string();
            let ours = from_etcd(error, Operation::Campaign);
            assert_eq!(ours.kind(), kind, "{text}");
            assert!(ours.to_string().starts_with("etcd: campaign: "), "{ours}");
        }
    }

    #[test]
    fn a_refused_certificate_is_not_worth_a_retry() {
        let status = Status::new(Code::Unavailable, "invalid peer certificate: UnknownIssuer");
        let error = from_etcd(EtcdError::GRpcStatus(status), Operation::Connect);
        assert_eq!(error.kind(), Kind::PermissionDenied);
        assert!(error.to_string().contains("check ca="), "{error}");
    }

    #[test]
    fn every_loss_has_its_kind() {
        for (loss, kind) in [
            (Loss::SessionExpired, Kind::SessionLost),
            (Loss::Deposed, Kind::SessionLost),
            (Loss::Unproven, Kind::SessionLost),
            (Loss::Closed, Kind::Closed),
        ] {
            assert_eq!(from_loss(loss, Operation::Campaign).kind(), kind);
        }
    }
}
