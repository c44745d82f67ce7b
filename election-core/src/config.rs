//! [`Timing`]: the few durations that a session depends on, and the sums they must satisfy.

use std::time::Duration;

use crate::error::{Error, Result};

/// How long a session lives, how often it is renewed, and how much of it is trusted.
///
/// The deadline of a leadership is (the instant before the last *proven* renewal was sent) +
/// [`validity`](Self::validity), where validity = `ttl` × (1 − `drift`) − `margin` (Gray and Cheriton,
/// "Leases", SOSP 1989, with the clocks' rates bounded instead of their difference).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// How long the service keeps a session that is not renewed, as the service granted it.
    pub ttl: Duration,
    /// The time from one renewal to the next.
    pub renew_every: Duration,
    /// How long one attempt to renew may take before it is given up and another is made.
    pub attempt_timeout: Duration,
    /// By what part our clock may run slower than the service's: 0.01 is one percent. NTP slews by at most
    /// 0.0005; the default of 0.01 leaves room for bad oscillators and virtual machines.
    pub drift: f64,
    /// What is taken off besides, for the time from a check to the act that it allows.
    pub margin: Duration,
}

impl Timing {
    /// The smallest TTL that makes sense over a network.
    pub const MIN_TTL: Duration = Duration::from_millis(20);
    /// A longer failover than this is a mistake in units.
    pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

    /// The proportions for a TTL: renewed every third of it, a quarter of it for an attempt, one percent of
    /// drift and one of margin.
    #[must_use]
    pub fn for_ttl(ttl: Duration) -> Self {
        Self { ttl, renew_every: ttl / 3, attempt_timeout: ttl / 4, drift: 0.01, margin: ttl / 100 }
    }

    /// The same proportions of what is left of the TTL when clocks may differ by that much: who trusts less of it
    /// must renew more often.
    ///
    /// A drift that makes no sense is taken as it is, for [`validate`](Self::validate) to refuse.
    #[must_use]
    pub fn with_drift(self, drift: f64) -> Self {
        if !(0.0..1.0).contains(&drift) {
            return Self { drift, ..self };
        }
        let left = (1.0 - drift) / (1.0 - self.drift);
        let (renew_every, attempt_timeout) =
            (self.renew_every.mul_f64(left), self.attempt_timeout.mul_f64(left));
        Self { drift, renew_every, attempt_timeout, ..self }
    }

    /// How long after a proven renewal was sent a leadership may be claimed; zero if the margins eat it up.
    #[must_use]
    pub fn validity(&self) -> Duration {
        let trusted = if self.drift.is_nan() { 0.0 } else { (1.0 - self.drift).clamp(0.0, 1.0) };
        // Longer ones are refused; capped, they are in the range of the multiplication.
        self.ttl.min(Self::MAX_TTL).mul_f64(trusted).saturating_sub(self.margin)
    }

    /// The least validity that these timings need: if one attempt fails, the next must still come in time.
    ///
    /// `behind` is the number of renewals by which proof lags (0; on ZooKeeper 1).
    #[must_use]
    pub fn needed(&self, behind: u32) -> Duration {
        let renewals = self.renew_every.saturating_mul(behind.saturating_add(1));
        renewals.saturating_add(self.attempt_timeout.saturating_mul(2))
    }

    /// Refuses timings that do not fit together.
    ///
    /// # Errors
    /// [`Kind::InvalidConfig`](crate::Kind::InvalidConfig), with the sum that was found and the one needed.
    pub fn validate(&self, behind: u32) -> Result<()> {
        let Self { ttl, renew_every, attempt_timeout, drift, margin } = *self;
        if ttl < Self::MIN_TTL || ttl > Self::MAX_TTL {
            return Err(Error::invalid_config(format!(
                "ttl is {ttl:?}: give {:?} to {:?}",
                Self::MIN_TTL,
                Self::MAX_TTL
            )));
        }
        if !(0.0..1.0).contains(&drift) {
            return Err(Error::invalid_config(format!(
                "drift is {drift}: give a part of one, at least 0 and below 1 (0.01 is one percent)"
            )));
        }
        if renew_every.is_zero() || attempt_timeout.is_zero() {
            return Err(Error::invalid_config(format!(
                "renew_every is {renew_every:?} and attempt_timeout is {attempt_timeout:?}: \
                 both must be above zero"
            )));
        }
        let (found, needed) = (self.validity(), self.needed(behind));
        if found < needed {
            return Err(Error::invalid_config(format!(
                "these timings lose leadership when one renewal fails: ttl {ttl:?} × (1 − drift {drift}) − \
                 margin {margin:?} = {found:?}, but {} × renew_every {renew_every:?} + 2 × attempt_timeout \
                 {attempt_timeout:?} = {needed:?} is needed: raise the ttl or lower the others",
                behind.saturating_add(1)
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn the_proportions_hold_for_every_drift_bound_that_leaves_something() {
        let ttl = Duration::from_secs(2);
        let timing = Timing::for_ttl(ttl);
        assert_eq!(timing.with_drift(timing.drift), timing);
        for drift in [0.0, 0.1, 0.35, 0.9] {
            let timing = timing.with_drift(drift);
            timing.validate(0).unwrap();
            assert!(timing.validity() <= ttl.mul_f64(1.0 - drift));
        }
        // The same bound without the proportions is refused.
        assert!(Timing { drift: 0.35, ..timing }.validate(0).is_err());
        for nonsense in [1.0, 1.5, -0.1, f64::NAN] {
            assert!(timing.with_drift(nonsense).validate(0).is_err());
        }
    }

    #[test]
    fn the_default_proportions_hold_for_every_ttl() {
        for millis in [20, 100, 1_000, 10_000, 86_400_000] {
            Timing::for_ttl(Duration::from_millis(millis)).validate(0).unwrap();
        }
    }

    #[test]
    fn unsafe_timing_is_refused_with_both_sums() {
        let mut timing = Timing::for_ttl(Duration::from_secs(3));
        timing.renew_every = Duration::from_secs(2);
        let error = timing.validate(0).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidConfig);
        let text = error.to_string();
        assert!(text.contains("= 2.94s") && text.contains("= 3.5s is needed"), "{text}");
    }

    #[test]
    fn nonsense_is_refused() {
        let good = Timing::for_ttl(Duration::from_secs(3));
        for bad in [
            Timing { drift: 1.0, ..good },
            Timing { drift: -0.1, ..good },
            Timing { drift: f64::NAN, ..good },
            Timing { ttl: Duration::ZERO, ..good },
            Timing { ttl: Duration::MAX, ..good },
            Timing { renew_every: Duration::ZERO, ..good },
            Timing { attempt_timeout: Duration::ZERO, ..good },
            Timing { margin: Duration::from_secs(5), ..good },
            // Their sums are beyond what a duration holds.
            Timing { renew_every: Duration::MAX, ..good },
            Timing { attempt_timeout: Duration::MAX, ..good },
        ] {
            assert!(bad.validate(0).is_err(), "{bad:?}");
            let _ = bad.validity();
        }
    }
}
