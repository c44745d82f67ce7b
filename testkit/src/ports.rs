//! Ports that no other test takes.
//!
//! Asking the kernel for port 0 gives a port from the range of outgoing connections: by the time a server binds it,
//! some client may own it. So ports on loopback come from below that range, and each is leased with a lock on a file of
//! its number: two test binaries never get the same one, and a lock ends with its process however that ends.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

use anyhow::{Result, bail};

use crate::lease::try_lease;

/// Lowest port handed out: below it live well-known services.
const LOWEST: u16 = 12_000;

/// Where Linux starts to take ports for outgoing connections, unless the machine says otherwise.
const OUTGOING: u16 = 32_768;

/// A port that belongs to this process until the value is dropped.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    /// Holds the lock; never read. A host of a [`Net`](crate::net::Net) has all its ports to itself.
    _lock: Option<File>,
}

impl Port {
    /// Leases a free port on loopback.
    ///
    /// # Errors
    ///
    /// When every port of the range is taken, or the lock files cannot be created.
    pub fn lease() -> Result<Self> {
        let span = usize::from(highest() - LOWEST);
        let start = rand::random_range(0..span);
        for step in 0..span {
            let offset = u16::try_from((start + step) % span)?;
            if let Some(port) = Self::try_lease(LOWEST + offset)? {
                return Ok(port);
            }
        }
        bail!("no free port between {LOWEST} and {}", highest())
    }

    fn try_lease(number: u16) -> Result<Option<Self>> {
        let Some(lock) = try_lease("ports", number)? else { return Ok(None) };
        // Whoever owns no lock here (a real service, a server that is still dying) shows up at the bind.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
        Ok(TcpListener::bind(address).is_ok().then_some(Self { address, _lock: Some(lock) }))
    }

    /// A port at an address where nobody else listens.
    pub(crate) fn at(ip: IpAddr, number: u16) -> Self {
        Self { address: SocketAddr::from((ip, number)), _lock: None }
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// `<ip>:<number>`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// First port that is not handed out: the kernel's own range begins there.
fn highest() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let low = range.split_whitespace().next().and_then(|low| low.parse::<u16>().ok());
    low.filter(|low| *low > LOWEST + 1000).unwrap_or(OUTGOING).min(OUTGOING)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn leased_ports_are_distinct_and_can_be_bound() {
        let ports: Vec<Port> = (0..50).map(|_| Port::lease().unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 50);
        for port in &ports {
            assert!(port.number() < OUTGOING);
            TcpListener::bind(port.address()).unwrap();
        }
    }

    #[test]
    fn a_leased_port_is_not_leased_again_until_dropped() {
        let port = Port::lease().unwrap();
        assert!(Port::try_lease(port.number()).unwrap().is_none());
        let number = port.number();
        drop(port);
        assert!(Port::try_lease(number).unwrap().is_some());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_leased() {
        let port = Port::lease().unwrap();
        let number = port.number();
        let _listener = TcpListener::bind(port.address()).unwrap();
        drop(port);
        assert!(Port::try_lease(number).unwrap().is_none());
    }
}
