//! [`Config`]: what a coordinator needs to know, and [`Config::parse`], the same from a URL.

use std::fmt;
use std::time::Duration;

use election_core::{Error, Result, Timing};

use crate::error::BACKEND;
use crate::url;

/// Settings of a [`ZkCoordinator`](crate::ZkCoordinator).
///
/// | URL | field | default |
/// | --- | --- | --- |
/// | `h1:2181,h2:2181` | [`endpoints`](Self::endpoints) | none; the port is 2181 if left out |
/// | `user:password@` (percent-encoded) | [`credentials`](Self::credentials) | none |
/// | `?timeout=6s` | [`timeout`](Self::timeout) | 6 s |
/// | `?root=/election` | [`root`](Self::root) | `/election` |
/// | `?connect_timeout=4s` | [`connect_timeout`](Self::connect_timeout) | 4 s |
/// | `?drift=0.01` | [`drift`](Self::drift) | 0.01 |
/// | `?margin=60ms` | [`margin`](Self::margin) | a hundredth of the timeout |
///
/// Durations are written with their unit: `200ms`, `6s`, `1m`.
///
/// TLS and SASL are features of the crate `zookeeper-client`: switch them on there, and hand in clients through
/// [`ZkCoordinator::with_clients`](crate::ZkCoordinator::with_clients).
#[derive(Clone)]
pub struct Config {
    /// The servers, as `host:port`. May be empty when clients are handed in.
    pub endpoints: Vec<String>,
    /// The znode under which elections live. It is created if absent; `<root>/.sessions` belongs to us, too.
    pub root: String,
    /// The session timeout to ask for. The servers grant 2 to 20 of their ticks (a tick is 2 s by default):
    /// everything is derived from what they granted.
    pub timeout: Duration,
    /// How long to look for a server before an operation fails with
    /// [`Unavailable`](election_core::Kind::Unavailable).
    pub connect_timeout: Duration,
    /// By what part our clock may run slower than the servers': see [`Timing::drift`].
    pub drift: f64,
    /// What is taken off every deadline besides: see [`Timing::margin`].
    pub margin: Option<Duration>,
    /// Who we are, in the `digest` scheme. What we create then belongs to us alone; without credentials it
    /// belongs to everybody. ZooKeeper knows no wrong passwords, only other people: they are refused when they
    /// touch what is not theirs.
    pub credentials: Option<Credentials>,
}

/// A user and a password; shown as the user only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name; it must not contain a colon.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            root: "/election".into(),
            timeout: Duration::from_secs(6),
            connect_timeout: Duration::from_secs(4),
            drift: 0.01,
            margin: None,
            credentials: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("endpoints", &self.endpoints)
            .field("root", &self.root)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("drift", &self.drift)
            .field("margin", &self.margin)
            .field("credentials", &self.credentials)
            .finish()
    }
}

impl Config {
    /// The number of renewals by which proof lags: a write shows that the *previous* one reached the leader.
    pub(crate) const BEHIND: u32 = 1;

    /// The largest drift bound for which renewals are spread so far apart that each is a proof: see
    /// [`timing`](Self::timing).
    const MAX_DRIFT: f64 = 0.25;

    /// Reads a URL: `zk://user:password@h1:2181,h2:2181?timeout=6s&root=/election`.
    ///
    /// # Errors
    /// [`InvalidConfig`](election_core::Kind::InvalidConfig), which names the part that is wrong and never shows
    /// the password.
    pub fn parse(text: &str) -> Result<Self> {
        let config = url::parse(text).map_err(|error| error.backend(BACKEND))?;
        if config.endpoints.is_empty() {
            return Err(invalid("the URL names no server: give zk://host:2181"));
        }
        config.validate()?;
        Ok(config)
    }

    /// Refuses settings that do not fit together.
    ///
    /// # Errors
    /// [`InvalidConfig`](election_core::Kind::InvalidConfig), with what was found and what is needed.
    pub fn validate(&self) -> Result<()> {
        validate_root(&self.root)?;
        if self.connect_timeout < Duration::from_millis(1) || self.connect_timeout > Duration::from_secs(3600)
        {
            return Err(invalid(format!("connect_timeout is {:?}: give 1ms to 1h", self.connect_timeout)));
        }
        if let Some(Credentials { user, .. }) = &self.credentials
            && (user.is_empty() || user.contains(':'))
        {
            return Err(invalid("the user of the credentials must not be empty nor contain ':'"));
        }
        self.timing(self.timeout).validate(Self::BEHIND).map_err(|error| error.backend(BACKEND))
    }

    /// The durations that follow from a session timeout as the servers granted it.
    ///
    /// A third of it between renewals leaves, one renewal behind, room for one failed attempt:
    /// 2/3 + 2/7 = 0.952 of the timeout is needed, 0.98 is there. A third is also more than the half tick at
    /// which the leader collects the touches of its followers, since a timeout has at least two ticks. It stays so with a
    /// drift bound of a quarter, and no further: a larger one is left to be refused.
    #[must_use]
    pub fn timing(&self, granted: Duration) -> Timing {
        let timing = Timing {
            renew_every: granted / 3,
            attempt_timeout: granted / 7,
            margin: self.margin.unwrap_or(granted / 100),
            ..Timing::for_ttl(granted)
        };
        if self.drift > Self::MAX_DRIFT {
            return Timing { drift: self.drift, ..timing };
        }
        timing.with_drift(self.drift)
    }
}

/// Shorthand for an error of configuration from this backend.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::invalid_config(message).backend(BACKEND)
}

fn validate_root(root: &str) -> Result<()> {
    let sound = |step: &str| {
        !step.is_empty()
            && step != "."
            && step != ".."
            && !step.chars().any(|c| c.is_control() || c == '\u{fffd}')
    };
    let free = root != "/zookeeper" && !root.starts_with("/zookeeper/");
    if free && root.strip_prefix('/').is_some_and(|steps| steps.split('/').all(sound)) {
        return Ok(());
    }
    Err(invalid(format!(
        "root is {root:?}: give an absolute path without a slash at its end, outside /zookeeper"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use election_core::Kind;

    #[test]
    fn a_drift_bound_of_a_quarter_is_possible_and_a_larger_one_is_refused() {
        let config = |drift| Config { drift, ..Config::default() };
        let timing = config(0.25).timing(Duration::from_millis(200));
        timing.validate(Config::BEHIND).unwrap();
        assert!(timing.renew_every >= Duration::from_millis(50), "half a tick of 100 ms: {timing:?}");
        config(0.3).timing(Duration::from_secs(4)).validate(Config::BEHIND).unwrap_err();
    }

    #[test]
    fn the_default_timings_hold_for_every_timeout() {
        let config = Config::default();
        for millis in [200, 4_000, 6_000, 40_000] {
            config.timing(Duration::from_millis(millis)).validate(Config::BEHIND).unwrap();
        }
        config.validate().unwrap();
    }

    #[test]
    fn margins_that_eat_up_the_timeout_are_refused_with_both_sums() {
        let config = Config { margin: Some(Duration::from_secs(1)), ..Config::default() };
        let error = config.validate().unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidConfig);
        assert!(error.to_string().contains("is needed"), "{error}");
    }

    #[test]
    fn roots_are_absolute_paths_outside_the_reserved_one() {
        for root in ["election", "/", "/a/", "/a//b", "/a/../b", "", "/zookeeper", "/zookeeper/x", "/a\u{1}"]
        {
            let error = Config { root: root.into(), ..Config::default() }.validate().unwrap_err();
            assert!(error.to_string().contains("root is"), "{error}");
        }
        for root in ["/election", "/a/b", "/zookeepers"] {
            Config { root: root.into(), ..Config::default() }.validate().unwrap();
        }
    }
}
