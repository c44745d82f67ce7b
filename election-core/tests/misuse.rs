//! Whatever is asked for is refused with a reason, or safe.
#![allow(missing_docs)]

use std::time::Duration;

use election_core::{Candidate, CandidateId, ElectionName, Kind, MAX_NAME_BYTES, Timing};
use proptest::prelude::*;

/// Durations that people write, and those that nobody should.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0u64..200_000).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_nanos),
        1 => (any::<u64>(), 0u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::from_nanos(1)),
        1 => Just(Duration::MAX),
        1 => Just(Duration::from_secs(u64::MAX)),
        1 => Just(Timing::MIN_TTL),
        1 => Just(Timing::MAX_TTL),
    ]
}

fn drift() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..0.5, 1 => 0.0..1.0, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(1.0 - f64::EPSILON)]
}

fn timing() -> impl Strategy<Value = Timing> {
    let any = (duration(), duration(), duration(), drift(), duration()).prop_map(
        |(ttl, renew_every, attempt_timeout, drift, margin)| Timing {
            ttl,
            renew_every,
            attempt_timeout,
            drift,
            margin,
        },
    );
    // Near the default proportions, or nearly nothing would be accepted.
    let near = (20u64..100_000, 1u32..8, 1u32..12, 0.0..0.3, 0u32..30).prop_map(
        |(ttl, renew, attempt, drift, margin)| {
            let ttl = Duration::from_millis(ttl);
            Timing {
                ttl,
                renew_every: ttl / renew,
                attempt_timeout: ttl / attempt,
                drift,
                margin: ttl * margin / 100,
            }
        },
    );
    prop_oneof![any, near]
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn a_timing_is_refused_with_a_reason_or_safe(timing in timing(), behind in prop_oneof![0u32..3, any::<u32>()]) {
        // Neither panics, whatever is asked.
        let (validity, needed) = (timing.validity(), timing.needed(behind));
        let Timing { ttl, renew_every, attempt_timeout, drift, margin } = timing;
        match timing.validate(behind) {
            Ok(()) => {
                // By a clock that is slower than the service's by the bound, the validity takes longer: not too long.
                let real = (nanos(validity) + nanos(margin)) / (1.0 - drift);
                prop_assert!(real <= nanos(ttl) * (1.0 + 1e-9) + 1.0, "{real} ns of {ttl:?}");
                prop_assert!(validity <= ttl);
                // The last proof, `behind` renewals old, when a renewal begins, fails and is repeated.
                let repeated = nanos(renew_every) * (f64::from(behind) + 1.0) + 2.0 * nanos(attempt_timeout);
                prop_assert!(repeated <= nanos(validity) * (1.0 + 1e-9), "{repeated} ns of {validity:?}");
                prop_assert!(!renew_every.is_zero() && !attempt_timeout.is_zero());
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::InvalidConfig);
                let text = error.to_string();
                let names_limit = |field: &str, value: String, limit: String| {
                    text.contains(&format!("{field} is {value}")) && text.contains(&limit)
                };
                let explained = names_limit("ttl", format!("{ttl:?}"), format!("{:?}", Timing::MAX_TTL))
                    || names_limit("drift", drift.to_string(), "below 1".into())
                    || names_limit("renew_every", format!("{renew_every:?}"), "above zero".into())
                    || text.contains(&format!("= {validity:?}")) && text.contains(&format!("= {needed:?} is needed"));
                prop_assert!(explained, "{text}");
            }
        }
    }

    #[test]
    fn the_default_proportions_are_safe_for_every_ttl(nanos in 20_000_000u64..=86_400_000_000_000) {
        prop_assert!(Timing::for_ttl(Duration::from_nanos(nanos)).validate(0).is_ok());
    }

    #[test]
    fn a_name_is_kept_or_refused(name in prop_oneof![any::<String>(), "[A-Za-z0-9._/-]{0,140}"]) {
        let sound = (1..=MAX_NAME_BYTES).contains(&name.len())
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        match ElectionName::new(&name) {
            Ok(kept) => {
                prop_assert!(sound);
                prop_assert_eq!(kept.as_str(), &name);
                prop_assert_eq!(kept.to_string().parse::<ElectionName>().ok(), Some(kept));
            }
            Err(error) => {
                prop_assert!(!sound);
                prop_assert_eq!(error.kind(), Kind::InvalidConfig);
            }
        }
        prop_assert_eq!(CandidateId::new(&name).is_ok(), sound);
        prop_assert_eq!(Candidate::new(&name).is_ok(), sound);
    }
}
