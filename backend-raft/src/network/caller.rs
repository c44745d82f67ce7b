//! Who is at the other end of a connection that this node has accepted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::budget::Shares;
use super::tls::Identity;
use super::wire::Sender;
use crate::types::NodeId;

/// By what a caller is known: that which it cannot choose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Its certificate.
    Certificate(Identity),
    /// Its address, without encryption.
    Address(IpAddr),
}

impl Origin {
    /// The origin of whoever calls from `address` and has shown nothing.
    pub(crate) fn address(address: IpAddr) -> Self {
        Self::Address(match address {
            // A host has a whole network of addresses to choose from.
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => IpAddr::V4(mapped),
                None if address.is_loopback() => address.into(),
                None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            },
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Whether it may remove what is not its own. Without encryption nobody can be told from anybody else.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Self::Certificate(Identity::Node(_) | Identity::Admin(_)) | Self::Address(_) => true,
            Self::Certificate(Identity::Client(_)) => false,
        }
    }

    /// Whether it may speak as the member `id`.
    pub(crate) fn is_node(&self, id: NodeId) -> bool {
        match self {
            Self::Certificate(identity) => *identity == Identity::Node(id),
            Self::Address(_) => true,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(identity) => identity.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A caller whose greeting was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// As what it speaks.
    pub(crate) sender: Sender,
    /// By what it is known.
    pub(crate) origin: Origin,
    /// What it shares with the other connections of this origin.
    pub(crate) shares: Arc<Shares>,
}

impl Caller {
    /// A caller that shares with nobody yet.
    pub(crate) fn new(sender: Sender, origin: Origin) -> Self {
        Self { sender, origin, shares: Arc::default() }
    }
}
