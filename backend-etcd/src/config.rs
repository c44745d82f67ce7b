//! [`Config`]: the settings of a coordinator, their units and their bounds.

use std::time::Duration;

use election_core::{Error, Result, Timing};

/// How a session is proven to live on. Both ways are sound where they are chosen by [`Renewal::Auto`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Renewal {
    /// [`KeepAlive`](Self::KeepAlive) if every member of the cluster answers and has the fix of etcd #15247
    /// (3.4.31, 3.5.13, 3.6.0 and later), else [`Swap`](Self::Swap). Chosen when connecting, and logged.
    #[default]
    Auto,
    /// A new lease is granted, every record is moved to it by a guarded transaction, the old one is revoked.
    /// Sound on every server: a deposed etcd leader that hangs cannot revoke a lease it has never heard of.
    Swap,
    /// The lease is kept alive, and *then* a transaction that compares our records commits in the same Raft
    /// term. Cheaper, but unsound on servers without the fix: there, a deposed leader's revocation of a lease
    /// that it believes expired is forwarded and obeyed.
    KeepAlive,
}

/// The settings of an [`EtcdCoordinator`](crate::EtcdCoordinator).
///
/// In a URL each but `renewal` is a parameter of the same name: `etcd://host:2379?root=/election&ttl=5s`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Under which key the elections live; the default is `/election`. The records of the election `billing`
    /// are under `/election/billing/`, where `etcdctl elect /election/billing` contends with them.
    pub root: String,
    /// How long the service keeps a session that is not renewed; the default is 5 s. etcd counts in whole
    /// seconds (a part of one is rounded up) and raises what is below its minimum (one and a half election
    /// timeouts: 2 s by default). What it granted is
    /// [`EtcdCoordinator::granted_ttl`](crate::EtcdCoordinator::granted_ttl).
    pub ttl: Duration,
    /// By what part our clock may run slower than the servers': 0.01 (the default) is one percent.
    pub drift: f64,
    /// What is taken off the deadline besides; by default a hundredth of the granted TTL.
    pub margin: Option<Duration>,
    /// How long connecting, joining an election or confirming a resignation may take, over all attempts and all
    /// endpoints, before it fails with `Unavailable` or `Timeout`; the default is 3 s.
    pub timeout: Duration,
    /// How a session is proven to live on.
    pub renewal: Renewal,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root: "/election".to_owned(),
            ttl: Duration::from_secs(5),
            drift: 0.01,
            margin: None,
            timeout: Duration::from_secs(3),
            renewal: Renewal::Auto,
        }
    }
}

impl Config {
    /// The longest key of a root, in bytes.
    const MAX_ROOT: usize = 512;

    /// Refuses settings that are out of bounds or do not fit together.
    ///
    /// # Errors
    /// [`Kind::InvalidConfig`](election_core::Kind::InvalidConfig), naming the setting and its limit.
    pub fn validate(&self) -> Result<()> {
        let Self { root, ttl, timeout, .. } = self;
        let invalid = |message: String| Err(Error::invalid_config(message).backend(crate::BACKEND));
        if root.len() > Self::MAX_ROOT || root.ends_with('/') || root.chars().any(char::is_control) {
            return invalid(format!(
                "root is {root:?}: give at most {} bytes without control characters and without a '/' at the end",
                Self::MAX_ROOT
            ));
        }
        if *ttl > Timing::MAX_TTL {
            return invalid(format!("ttl is {ttl:?}: give at most {:?}", Timing::MAX_TTL));
        }
        if *timeout < Duration::from_millis(10) || *timeout > Duration::from_secs(60) {
            return invalid(format!("timeout is {timeout:?}: give 10ms to 60s"));
        }
        // The server may raise the TTL, which only makes the sums easier.
        self.timing(Duration::from_secs(self.ttl_seconds().unsigned_abs()))
            .validate(0)
            .map_err(|error| error.backend(crate::BACKEND))
    }

    /// The TTL to ask for: etcd counts in whole seconds.
    pub(crate) fn ttl_seconds(&self) -> i64 {
        let seconds = self.ttl.as_secs() + u64::from(self.ttl.subsec_nanos() > 0);
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    /// The durations of a session for the TTL that the server granted.
    pub(crate) fn timing(&self, granted: Duration) -> Timing {
        let default = Timing::for_ttl(granted).with_drift(self.drift);
        Timing { margin: self.margin.unwrap_or(default.margin), ..default }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_parts_of_seconds_are_rounded_up() {
        Config::default().validate().unwrap();
        let config = Config { ttl: Duration::from_millis(1_200), ..Config::default() };
        assert_eq!(config.ttl_seconds(), 2);
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let good = Config::default();
        for (bad, says) in [
            (Config { root: "/election/".into(), ..good.clone() }, "root is"),
            (Config { root: "a\nb".into(), ..good.clone() }, "root is"),
            (Config { ttl: Duration::ZERO, ..good.clone() }, "ttl is"),
            (Config { ttl: Duration::MAX, ..good.clone() }, "ttl is"),
            (Config { timeout: Duration::ZERO, ..good.clone() }, "timeout is"),
            (Config { drift: 1.5, ..good.clone() }, "drift is"),
            (Config { margin: Some(Duration::from_secs(4)), ..good.clone() }, "these timings"),
        ] {
            let error = bad.validate().unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
