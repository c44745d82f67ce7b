//! Free loopback ports that no other test takes.
//!
//! Asking the kernel for port 0 gives a port from the range of outgoing connections: by the time a server binds it,
//! some client may own it. So ports come from below that range, and each is leased with a lock on a file of its
//! number: two test binaries never get the same one, and a lock ends with its process however that ends.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};

/// Lowest port handed out: below it live well-known services.
const LOWEST: u16 = 12_000;

/// Where Linux starts to take ports for outgoing connections, unless the machine says otherwise.
const OUTGOING: u16 = 32_768;

/// A port on loopback that belongs to this process until the value is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Holds the lock; never read.
    _lock: File,
}

impl Port {
    /// Leases a free port.
    ///
    /// # Errors
    ///
    /// When every port of the range is taken, or the lock files cannot be created.
    pub fn lease() -> Result<Self> {
        let folder = lock_folder()?;
        let span = usize::from(highest() - LOWEST);
        let start = rand::random_range(0..span);
        for step in 0..span {
            let offset = u16::try_from((start + step) % span)?;
            if let Some(port) = Self::try_lease(&folder, LOWEST + offset)? {
                return Ok(port);
            }
        }
        bail!("no free port between {LOWEST} and {}", highest())
    }

    fn try_lease(folder: &std::path::Path, number: u16) -> Result<Option<Self>> {
        let path = folder.join(number.to_string());
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.with_context(|| format!("cannot open the lock file {}", path.display()))?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        // Whoever owns no lock here (a real service, a server that is still dying) shows up at the bind.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(free.then_some(Self { number, _lock: lock }))
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:<number>`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

/// First port that is not handed out: the kernel's own range begins there.
fn highest() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let low = range.split_whitespace().next().and_then(|low| low.parse::<u16>().ok());
    low.filter(|low| *low > LOWEST + 1000).unwrap_or(OUTGOING).min(OUTGOING)
}

/// One folder per user, so that nobody meets lock files that are not theirs to open.
fn lock_folder() -> Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = env::temp_dir().join(format!("election-testkit-ports-{user}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
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
        let folder = lock_folder().unwrap();
        assert!(Port::try_lease(&folder, port.number()).unwrap().is_none());
        let number = port.number();
        drop(port);
        assert!(Port::try_lease(&folder, number).unwrap().is_some());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_leased() {
        let port = Port::lease().unwrap();
        let number = port.number();
        let _listener = TcpListener::bind(port.address()).unwrap();
        drop(port);
        assert!(Port::try_lease(&lock_folder().unwrap(), number).unwrap().is_none());
    }
}
