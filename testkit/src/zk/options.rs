//! How a ZooKeeper is started.

use std::time::Duration;

use crate::{site::Site, tls::Certificates};

/// The settings of a [`Zk`](super::Zk).
#[derive(Clone, Debug)]
pub struct ZkOptions {
    /// One per server.
    pub(super) sites: Vec<Site>,
    pub(super) tick: Duration,
    pub(super) init_limit: u32,
    pub(super) sync_limit: u32,
    pub(super) sasl: Option<(String, String)>,
    pub(super) enforce_digest: bool,
    pub(super) certificates: Option<Certificates>,
    pub(super) extra: Vec<String>,
}

impl Default for ZkOptions {
    fn default() -> Self {
        Self {
            sites: vec![Site::Loopback],
            tick: Duration::from_secs(2),
            init_limit: 10,
            sync_limit: 5,
            sasl: None,
            enforce_digest: false,
            certificates: None,
            extra: Vec::new(),
        }
    }
}

impl ZkOptions {
    /// One server with ZooKeeper's usual settings: ticks of 2 s, so sessions of 4 s and more.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That many servers, in one ensemble, on loopback.
    #[must_use]
    pub fn nodes(self, nodes: usize) -> Self {
        self.on(vec![Site::Loopback; nodes])
    }

    /// One server at each of the sites, in one ensemble.
    #[must_use]
    pub fn on(mut self, sites: Vec<Site>) -> Self {
        self.sites = sites;
        self
    }

    /// Ticks of 100 ms: sessions from 200 ms to 2 s. Leaders and followers give each other up after one session.
    #[must_use]
    pub fn fast(self) -> Self {
        // The limits are counted in ticks. Starting takes longer than a session (hence 100 ticks); a follower that is
        // out of touch for longer than the shortest session would cost its clients their sessions (hence 2).
        self.tick(Duration::from_millis(100)).limits(100, 2)
    }

    /// The length of a tick: timeouts are negotiated to 2–20 of them.
    #[must_use]
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// How many ticks a follower may take to join its leader, and how many it may be out of touch.
    #[must_use]
    pub fn limits(mut self, init: u32, sync: u32) -> Self {
        self.init_limit = init;
        self.sync_limit = sync;
        self
    }

    /// Demands SASL (DIGEST-MD5) with this name and password of every client.
    #[must_use]
    pub fn sasl_digest(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.sasl = Some((user.into(), password.into()));
        self
    }

    /// Refuses every request of a session that has not authenticated with the `digest` scheme (with any name: who may
    /// touch what is the business of the ACLs, see [`ZkAdmin::protect`](super::ZkAdmin::protect)).
    #[must_use]
    pub fn enforce_digest(mut self) -> Self {
        self.enforce_digest = true;
        self
    }

    /// Opens a TLS port beside the plain one, with a client certificate demanded.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some(certificates.clone());
        self
    }

    /// One more line of the configuration file, e.g. `maxClientCnxns=2`.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.extra.push(line.into());
        self
    }

    /// The length of a tick.
    #[must_use]
    pub fn tick_length(&self) -> Duration {
        self.tick
    }

    /// The shortest session timeout that a server with this tick grants.
    #[must_use]
    pub fn minimum_session(&self) -> Duration {
        self.tick * 2
    }

    /// The longest one.
    #[must_use]
    pub fn maximum_session(&self) -> Duration {
        self.tick * 20
    }
}
