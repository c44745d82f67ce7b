//! The one place where errors become ours.

use std::io;
use std::sync::Arc;

use election_core::{ElectionName, Error, Kind, Operation};
use openraft::errors::Fatal;

use crate::network::{CallError, Failure, GroupError, Refused, TlsError};
use crate::state_machine::Refusal;
use crate::store::{self, StoreError};
use crate::types::{NodeId, TypeConfig};

/// The name of this backend in messages.
pub(crate) const BACKEND: &str = "raft";

/// Why a member cannot start, or stopped by itself.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NodeError {
    /// The address is in use, or not this machine's.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        error: String,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// Another member refuses this one for good.
    #[error("node {by} refuses this node: {refused}")]
    Refused {
        /// Who refuses.
        by: NodeId,
        /// Why.
        refused: Refused,
    },
    /// The member was removed.
    #[error("this node was removed from the group, as node {by} says: {refused}")]
    Removed {
        /// Who says so; itself, from what it was told in an earlier life.
        by: NodeId,
        /// What it says.
        refused: Refused,
    },
    /// The group has other members than the list says.
    #[error("{why}")]
    List {
        /// What differs, and what to do.
        why: String,
    },
    /// The group does not let it in.
    #[error("node {node} cannot join the group: {why}")]
    NotAdmitted {
        /// This node.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// No space is left for the log.
    #[error(
        "the disk is full: free some space and start the node again; nothing acknowledged is lost ({why})"
    )]
    DiskFull {
        /// What the system said.
        why: String,
    },
    /// The disk failed.
    #[error("the disk failed, so the node stopped: repair it and start the node again ({why})")]
    Disk {
        /// What the system said.
        why: String,
    },
    /// Raft stopped.
    #[error("the node has stopped: {why}")]
    Stopped {
        /// Why.
        why: String,
    },
}

impl NodeError {
    /// A stop for a reason that has only words.
    pub(crate) fn stopped(error: impl std::fmt::Display) -> Self {
        Self::Stopped { why: error.to_string() }
    }

    /// Raft's reason to stop, with what the log knows about its disk.
    pub(crate) fn from_fatal(fatal: &Fatal<TypeConfig>, log: Option<&store::Failure>) -> Self {
        match (fatal, log) {
            (_, Some((io::ErrorKind::StorageFull, why))) => Self::DiskFull { why: why.clone() },
            (_, Some((_, why))) => Self::Disk { why: why.clone() },
            (Fatal::StorageError(error), None) => Self::Disk { why: error.to_string() },
            (Fatal::Panicked | Fatal::Stopped, None) => Self::stopped(fatal),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Listen { .. }
            | Self::Refused { .. }
            | Self::Removed { .. }
            | Self::List { .. }
            | Self::NotAdmitted { .. } => Kind::InvalidConfig,
            Self::Store(error) => match &**error {
                StoreError::InUse { .. }
                | StoreError::OtherCluster { .. }
                | StoreError::OtherNode { .. }
                | StoreError::Format { .. } => Kind::InvalidConfig,
                StoreError::DiskFull { .. } => Kind::Unavailable,
                StoreError::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                    Kind::PermissionDenied
                }
                StoreError::Damaged { .. } | StoreError::Lost { .. } | StoreError::Io { .. } => {
                    Kind::Unexpected
                }
            },
            Self::DiskFull { .. } | Self::Disk { .. } | Self::Stopped { .. } => Kind::Unavailable,
        }
    }
}

impl From<NodeError> for Error {
    fn from(error: NodeError) -> Self {
        Self::new(error.kind(), Operation::Connect).backend(BACKEND).message(error.to_string())
    }
}

/// The kind of an answer that was none.
fn kind(error: &CallError) -> Kind {
    match error {
        CallError::Connection(_) | CallError::OtherDirectory(_) => Kind::Unavailable,
        CallError::Timeout(_) => Kind::Timeout,
        CallError::Refused(
            Refused::Version { .. }
            | Refused::Cluster { .. }
            | Refused::Node { .. }
            | Refused::Incarnation { .. }
            | Refused::Removed { .. }
            | Refused::Plaintext,
        )
        | CallError::Tls(TlsError::Plaintext) => Kind::InvalidConfig,
        CallError::Refused(Refused::Identity { .. })
        | CallError::Tls(TlsError::Theirs(_) | TlsError::Ours(_)) => Kind::PermissionDenied,
        CallError::Refused(Refused::Unable { .. } | Refused::Full { .. }) => Kind::Unavailable,
        CallError::Failure(failure) => match failure {
            Failure::NotLeader { .. }
            | Failure::NoQuorum
            | Failure::Embargo
            | Failure::Stopped { .. }
            | Failure::Full { .. }
            | Failure::NotNow { .. } => Kind::Unavailable,
            Failure::Never { .. } | Failure::Removed(_) => Kind::InvalidConfig,
            Failure::Unknown => Kind::Timeout,
            Failure::Forbidden { .. } => Kind::PermissionDenied,
        },
    }
}

/// The group's silence, or its refusal, as an error of `operation`.
pub(crate) fn group(error: &GroupError, operation: Operation) -> Error {
    Error::new(kind(&error.last), operation).backend(BACKEND).message(error.to_string())
}

/// Why the members could not be changed.
pub(crate) fn change(error: &GroupError) -> Error {
    let message = match &error.last {
        // It is the group's own answer; who was asked to get it does not matter.
        CallError::Failure(
            failure @ (Failure::NotNow { .. } | Failure::Never { .. } | Failure::Forbidden { .. }),
        ) => failure.to_string(),
        _ => error.to_string(),
    };
    Error::new(kind(&error.last), Operation::Configure).backend(BACKEND).message(message)
}

/// The kind of what the state machine refused: what is wrong in itself, and what is too much at the moment.
pub(crate) fn refusal_kind(refusal: Refusal) -> Kind {
    match refusal {
        Refusal::Name | Refusal::Value | Refusal::Ttl | Refusal::IdTaken | Refusal::IdRemoved => {
            Kind::InvalidConfig
        }
        Refusal::Sessions
        | Refusal::Candidacies
        | Refusal::SessionsOfOne
        | Refusal::Records
        | Refusal::RecordsOfOne
        | Refusal::Candidates
        | Refusal::Bytes
        | Refusal::BytesOfOne => Kind::Unavailable,
    }
}

/// What the state machine refused.
pub(crate) fn refusal(refusal: Refusal, operation: Operation) -> Error {
    Error::new(refusal_kind(refusal), operation).backend(BACKEND).message(refusal.to_string())
}

/// An error in an election.
pub(crate) fn in_election(kind: Kind, operation: Operation, election: &ElectionName) -> Error {
    Error::new(kind, operation).backend(BACKEND).election(election)
}

/// An answer to another question: a defect.
pub(crate) fn unexpected(operation: Operation, what: impl std::fmt::Debug) -> Error {
    Error::new(Kind::Unexpected, operation).backend(BACKEND).message(format!("unexpected answer {what:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_error_of_a_call_has_its_kind() {
        let refused = |refused| CallError::Refused(refused);
        let failure = |failure| CallError::Failure(failure);
        let why = String::new;
        for (error, expected) in [
            (CallError::Connection(why()), Kind::Unavailable),
            (CallError::Timeout(Duration::ZERO), Kind::Timeout),
            (refused(Refused::Version { theirs: 2 }), Kind::InvalidConfig),
            (refused(Refused::Cluster { theirs: why(), ours: why() }), Kind::InvalidConfig),
            (refused(Refused::Node { theirs: 1, ours: 2 }), Kind::InvalidConfig),
            (refused(Refused::Incarnation { id: 1 }), Kind::InvalidConfig),
            (refused(Refused::Removed { id: 1, free: 4 }), Kind::InvalidConfig),
            (CallError::OtherDirectory(2), Kind::Unavailable),
            (failure(Failure::NotNow { why: why() }), Kind::Unavailable),
            (failure(Failure::Never { why: why() }), Kind::InvalidConfig),
            (failure(Failure::Removed(Refused::Removed { id: 1, free: 4 })), Kind::InvalidConfig),
            (refused(Refused::Unable { why: why() }), Kind::Unavailable),
            (refused(Refused::Plaintext), Kind::InvalidConfig),
            (refused(Refused::Identity { shown: why(), claimed: why() }), Kind::PermissionDenied),
            (refused(Refused::Full { what: why() }), Kind::Unavailable),
            (CallError::Tls(TlsError::Plaintext), Kind::InvalidConfig),
            (CallError::Tls(TlsError::Theirs(why())), Kind::PermissionDenied),
            (CallError::Tls(TlsError::Ours(why())), Kind::PermissionDenied),
            (failure(Failure::NotLeader { leader: None }), Kind::Unavailable),
            (failure(Failure::NoQuorum), Kind::Unavailable),
            (failure(Failure::Embargo), Kind::Unavailable),
            (failure(Failure::Stopped { why: why() }), Kind::Unavailable),
            (failure(Failure::Unknown), Kind::Timeout),
            (failure(Failure::Forbidden { why: why() }), Kind::PermissionDenied),
            (failure(Failure::Full { what: why() }), Kind::Unavailable),
        ] {
            assert_eq!(kind(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn every_error_of_a_member_has_its_kind_and_says_what_to_do() {
        let path = std::path::PathBuf::from("/data");
        let store = |error| NodeError::Store(Arc::new(error));
        let io = |kind| io::Error::from(kind);
        for (error, expected, says) in [
            (
                NodeError::Listen { address: "h:1".into(), error: "in use".into() },
                Kind::InvalidConfig,
                "listen on h:1",
            ),
            (store(StoreError::InUse { path: path.clone() }), Kind::InvalidConfig, "give this node its own"),
            (
                store(StoreError::OtherCluster {
                    path: path.clone(),
                    found: "a".into(),
                    expected: "b".into(),
                }),
                Kind::InvalidConfig,
                "belongs to cluster",
            ),
            (
                store(StoreError::OtherNode { path: path.clone(), found: 1, expected: 2 }),
                Kind::InvalidConfig,
                "belongs to node 1",
            ),
            (
                store(StoreError::Format { path: path.clone(), found: 9, expected: 1 }),
                Kind::InvalidConfig,
                "upgrade",
            ),
            (
                store(StoreError::DiskFull { path: path.clone(), error: io(io::ErrorKind::StorageFull) }),
                Kind::Unavailable,
                "free some space",
            ),
            (
                store(StoreError::Io { path: path.clone(), error: io(io::ErrorKind::PermissionDenied) }),
                Kind::PermissionDenied,
                "/data",
            ),
            (
                store(StoreError::Damaged { path: path.clone(), why: "x".into() }),
                Kind::Unexpected,
                "under a new id",
            ),
            (
                store(StoreError::Lost { path: path.clone(), commits: 1 }),
                Kind::Unexpected,
                "1 acknowledged commits are missing",
            ),
            (store(StoreError::Io { path, error: io(io::ErrorKind::Other) }), Kind::Unexpected, "/data"),
            (
                NodeError::Refused { by: 2, refused: Refused::Incarnation { id: 1 } },
                Kind::InvalidConfig,
                "must join under a new id",
            ),
            (NodeError::DiskFull { why: "x".into() }, Kind::Unavailable, "free some space"),
            (NodeError::Disk { why: "x".into() }, Kind::Unavailable, "repair it"),
            (NodeError::stopped("x"), Kind::Unavailable, "has stopped"),
        ] {
            let ours = Error::from(error);
            assert_eq!(ours.kind(), expected, "{ours}");
            assert!(
                ours.to_string().starts_with("raft: connect: ") && ours.to_string().contains(says),
                "{ours}"
            );
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let log = |kind| (kind, "why".to_owned());
        let full = NodeError::from_fatal(&Fatal::Stopped, Some(&log(io::ErrorKind::StorageFull)));
        assert!(matches!(full, NodeError::DiskFull { .. }));
        let broken = NodeError::from_fatal(&Fatal::Stopped, Some(&log(io::ErrorKind::Other)));
        assert!(matches!(broken, NodeError::Disk { .. }));
        assert!(matches!(NodeError::from_fatal(&Fatal::Stopped, None), NodeError::Stopped { .. }));
    }
}
