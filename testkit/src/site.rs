//! [`Site`]: where a server runs.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Command,
    sync::Arc,
};

use anyhow::Result;

use crate::{net::Host, ports::Port};

/// Loopback, which all servers of a test share, or a host of its own.
#[derive(Clone, Debug, Default)]
pub enum Site {
    /// This machine's loopback, on ports that no other test takes.
    #[default]
    Loopback,
    /// A host of a [`Net`](crate::net::Net), on the usual ports.
    Host(Arc<Host>),
}

impl Site {
    /// One site per host.
    #[must_use]
    pub fn each(hosts: &[Arc<Host>]) -> Vec<Self> {
        hosts.iter().cloned().map(Self::Host).collect()
    }

    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::Loopback => Ipv4Addr::LOCALHOST.into(),
            Self::Host(host) => host.address(),
        }
    }

    /// A port for a server: on a host its `usual` one.
    ///
    /// # Errors
    ///
    /// When loopback has none left.
    pub fn port(&self, usual: u16) -> Result<Port> {
        match self {
            Self::Loopback => Port::lease(),
            Self::Host(host) => Ok(Port::at(host.address(), usual)),
        }
    }

    /// The host, unless it is loopback.
    #[must_use]
    pub fn host(&self) -> Option<&Arc<Host>> {
        match self {
            Self::Loopback => None,
            Self::Host(host) => Some(host),
        }
    }

    /// The same command, started there.
    pub(crate) fn command(&self, command: Command) -> Command {
        match self {
            Self::Loopback => command,
            Self::Host(host) => host.command(&command),
        }
    }
}
