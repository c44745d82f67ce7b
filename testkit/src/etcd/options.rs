//! How an etcd is started.

use std::time::Duration;

use crate::{site::Site, tls::Certificates};

/// The settings of an [`Etcd`](super::Etcd): what Debian's package does by default, until changed.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// One per server.
    pub(super) sites: Vec<Site>,
    pub(super) heartbeat: Duration,
    pub(super) election: Duration,
    pub(super) certificates: Option<Certificates>,
    pub(super) extra: Vec<String>,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            sites: vec![Site::Loopback],
            heartbeat: Duration::from_millis(100),
            election: Duration::from_secs(1),
            certificates: None,
            extra: Vec::new(),
        }
    }
}

impl EtcdOptions {
    /// One server with etcd's default settings: the smallest TTL it grants is 2 s.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That many servers, in one cluster, on loopback.
    #[must_use]
    pub fn nodes(self, nodes: usize) -> Self {
        self.on(vec![Site::Loopback; nodes])
    }

    /// One server at each of the sites, in one cluster.
    #[must_use]
    pub fn on(mut self, sites: Vec<Site>) -> Self {
        self.sites = sites;
        self
    }

    /// Heartbeat 10 ms and election timeout 50 ms, the lowest that etcd accepts: the smallest TTL becomes 1 s.
    #[must_use]
    pub fn fast(self) -> Self {
        self.timing(Duration::from_millis(10), Duration::from_millis(50))
    }

    /// Heartbeat interval and election timeout; etcd wants the second to be at least five times the first.
    #[must_use]
    pub fn timing(mut self, heartbeat: Duration, election: Duration) -> Self {
        self.heartbeat = heartbeat;
        self.election = election;
        self
    }

    /// TLS on the clients' port, with a client certificate demanded.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some(certificates.clone());
        self
    }

    /// One more flag, e.g. `--quota-backend-bytes=16777216`.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.extra.push(flag.into());
        self
    }

    /// The smallest TTL that a server with this timing grants: one and a half election timeouts, in whole seconds.
    #[must_use]
    pub fn minimum_ttl(&self) -> Duration {
        let seconds = (self.election.as_millis() * 3).div_ceil(2 * 1000);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_ttl_is_the_measured_one() {
        assert_eq!(EtcdOptions::new().minimum_ttl(), Duration::from_secs(2));
        assert_eq!(EtcdOptions::new().fast().minimum_ttl(), Duration::from_secs(1));
    }
}
