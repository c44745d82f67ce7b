//! What the timings promise: how long a failover of Raft takes, and whether sessions outlive it.

use std::fmt;
use std::time::Duration;

use election_core::Timing;

use crate::config::{RaftConfig, RaftTiming};

/// The session timings for a TTL: renewed every fifth of it, a quarter of it for an attempt.
///
/// More often than on the other backends, because here a failover of the service is as short as the session: what
/// is left of a session at the crash of the Raft leader is its validity less one renewal. A renewal costs no
/// write: all that arrive at the same moment share one quorum round.
pub(crate) fn session(ttl: Duration) -> Timing {
    Timing { renew_every: ttl / 5, ..Timing::for_ttl(ttl) }
}

impl RaftTiming {
    /// How long the group is without a Raft leader when that one crashes, at most, unless two members stand for
    /// election at the same moment (which costs up to one `election_max` more): the others keep to the old one for
    /// `election_max`, then the first of them stands within another, and its first commit takes a few round trips,
    /// for which one heartbeat is allowed.
    #[must_use]
    pub fn failover(&self) -> Duration {
        self.election_max.saturating_mul(2).saturating_add(self.heartbeat)
    }
}

impl RaftConfig {
    /// What is left of a session, at least, when the Raft leader crashes: it was last renewed one renewal ago.
    #[must_use]
    pub fn left_at_a_crash(&self) -> Duration {
        self.session.validity().saturating_sub(self.session.renew_every)
    }

    /// Whether leaderships outlive the crash of the Raft leader: whether sessions are long enough for
    /// [`RaftTiming::failover`]. If not, every leadership in the group ends with the Raft leader, and is campaigned
    /// for anew; that is safe, and a matter of taste: the shorter the session, the sooner is a crashed leader
    /// replaced.
    ///
    /// ```
    /// use backend_raft::{Profile, RaftConfig};
    /// let config = RaftConfig::new(["[::1]:7001"]);
    /// assert!(config.survives_failover());
    /// assert!(config.clone().with_profile(Profile::Wan).survives_failover());
    /// assert!(!config.with_profile(Profile::Lan).survives_failover());
    /// ```
    #[must_use]
    pub fn survives_failover(&self) -> bool {
        self.left_at_a_crash() >= self.raft.failover()
    }

    /// The same in a sentence, for the log.
    pub(crate) fn outlook(&self) -> Outlook<'_> {
        Outlook(self)
    }
}

/// Says what a crash of the Raft leader costs.
pub(crate) struct Outlook<'a>(&'a RaftConfig);

impl fmt::Display for Outlook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ttl, renew) = (self.0.session.ttl, self.0.session.renew_every);
        let (left, failover) = (self.0.left_at_a_crash(), self.0.raft.failover());
        write!(f, "sessions of {ttl:?}, renewed every {renew:?}, ")?;
        if self.0.survives_failover() {
            write!(f, "survive a crash of the Raft leader: {left:?} are left of them, it takes {failover:?}")
        } else {
            write!(
                f,
                "end when the Raft leader crashes: {left:?} are left of them, it takes {failover:?} (raise the ttl \
                 if leaderships shall survive it)"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;

    #[test]
    fn the_default_and_wan_outlive_a_failover_and_lan_says_that_it_does_not() {
        let config = |profile| RaftConfig::new(["[::1]:1"]).with_profile(profile);
        for profile in [Profile::Default, Profile::Wan] {
            assert!(config(profile).survives_failover(), "{}", config(profile).outlook());
        }
        let lan = config(Profile::Lan);
        assert!(!lan.survives_failover());
        assert_eq!(
            lan.outlook().to_string(),
            "sessions of 100ms, renewed every 20ms, end when the Raft leader crashes: 78ms are left of them, it \
             takes 90ms (raise the ttl if leaderships shall survive it)"
        );
        assert!(lan.with_ttl(Duration::from_millis(200)).survives_failover());
    }

    /// With the default profile a crashed leader is replaced within a second, also if the Raft leader
    /// crashed with it.
    #[test]
    fn a_failover_of_raft_and_a_session_fit_into_a_second() {
        assert!(Profile::Default.raft().failover() + Profile::Default.ttl() < Duration::from_secs(1));
    }

    #[test]
    fn the_proportions_are_valid_for_every_ttl_and_drift() {
        for millis in [20, 100, 500, 5_000, 86_400_000] {
            for drift in [0.0, 0.01, 0.3] {
                session(Duration::from_millis(millis)).with_drift(drift).validate(0).unwrap();
            }
        }
    }
}
