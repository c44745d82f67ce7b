//! Mutual TLS: who is at the other end, and how certificates are replaced while connections are open.
//!
//! | part | what it knows |
//! | --- | --- |
//! | [`Identity`] | the name in a certificate: a member, a client or an administrator of one group |
//! | [`Keys`] | one reading of the three files: how to call, how to be called, whom to trust |
//! | [`Credentials`] | the files, and the newest reading of them that was good |
//! | [`Held`] | the other end's certificates while a connection is open |
//!
//! Both ends verify the other's chain at the handshake, and look at it again every few seconds for as long as
//! the connection lives ([`LOOK_AGAIN`]): a session that was resumed, or a connection that is older than its
//! certificate, would carry an identity that nobody has checked lately. Therefore nothing is resumed, only
//! TLS 1.3 is spoken, and a caller makes its connection anew *before* a certificate runs out.

mod credentials;
mod error;
mod held;
mod identity;
mod keys;
#[cfg(test)]
#[path = "../../../tests/common/certificates.rs"]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use credentials::Credentials;
pub(crate) use error::{TlsError, explain};
pub(crate) use held::{Held, Verdict, Whose};
pub(crate) use identity::Identity;
pub(crate) use keys::{Chain, Keys};

/// How often the certificates of an open connection are looked at again, and the files with them.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// A connection is made anew when a certificate of it runs out within so long.
pub(crate) const BEFORE_EXPIRY: Duration = Duration::from_secs(60);

/// How a process protects what it sends.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// Not at all: whoever reaches the port is believed.
    Plaintext,
    /// By certificates.
    Tls(Arc<Credentials>),
}
