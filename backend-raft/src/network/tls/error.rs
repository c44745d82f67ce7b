//! What can go wrong in a handshake, as seen by whoever has called.

use std::io;

use tokio_rustls::rustls::{AlertDescription, Error, InvalidMessage};

use crate::network::channel::CallError;

/// Why no protected connection came about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsError {
    /// The other end does not speak TLS.
    #[error(
        "the node answers without TLS: start it with rafts:// and its certificate (or give raft:// here, if \
         plaintext is meant)"
    )]
    Plaintext,
    /// The node's certificate is not good.
    #[error("the node's certificate is not accepted: {0}")]
    Theirs(String),
    /// The node does not accept ours.
    #[error(
        "the node does not accept this process's certificate ({0}): give one that the node's authority has \
         signed, that has not run out, and that names a member or a client of this cluster"
    )]
    Ours(String),
}

/// A broken connection's error, in words that say what to do if TLS was the reason.
pub(crate) fn explain(error: &io::Error) -> CallError {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return CallError::Connection(error.to_string());
    };
    match tls {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsError::Plaintext.into(),
        Error::InvalidCertificate(why) => TlsError::Theirs(why.to_string()).into(),
        Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError),
        ) => TlsError::Ours(format!("{alert:?}")).into(),
        other => CallError::Connection(other.to_string()),
    }
}
