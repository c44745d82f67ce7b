//! Whatever is asked for is refused with a reason, or safe.

use std::time::Duration;

use election_core::Kind;
use proptest::prelude::*;
use testkit::misuse::{duration, url};

use crate::address::Address;
use crate::config::{Config, Renewal};

const PARAMETERS: &str = "root|ttl|drift|margin|timeout|ca|cert|key|domain";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_config_is_refused_or_safe(
        ttl in duration(), timeout in duration(), margin in prop::option::of(duration()), root in "[ -~]{0,20}",
        drift in prop_oneof![0.0..0.4, any::<f64>()],
    ) {
        let config = Config { root, ttl, drift, margin, timeout, renewal: Renewal::Auto };
        match config.validate() {
            Ok(()) => {
                let granted = config.ttl_seconds();
                prop_assert!(Duration::from_secs(granted.unsigned_abs()) >= ttl && granted > 0);
                let timing = config.timing(Duration::from_secs(granted.unsigned_abs()));
                let real = timing.validity().as_secs_f64() / (1.0 - drift);
                prop_assert!(real <= timing.ttl.as_secs_f64() * (1.0 + 1e-9));
                prop_assert!(timing.validity() >= timing.renew_every + timing.attempt_timeout * 2);
                // What the keeper makes of it to open a session.
                prop_assert!(crate::keeper::opening_attempt(&config) <= timeout);
            }
            Err(error) => prop_assert_eq!(error.kind(), Kind::InvalidConfig),
        }
    }

    #[test]
    fn no_text_panics(text in url("etcds?", PARAMETERS)) {
        if let Err(error) = Address::parse(&text) {
            prop_assert_eq!(error.kind(), Kind::InvalidConfig);
        }
    }

    #[test]
    fn a_url_says_what_is_read(
        hosts in prop::collection::vec("[a-z][a-z0-9-]{0,8}:[1-9][0-9]{0,3}", 1..4),
        ttl in 2_000u64..100_000, timeout in 10u64..60_000, drift in 0.0..0.05, root in "(/[a-z]{1,5}){1,3}",
    ) {
        let url = format!("etcd://{}?ttl={ttl}ms&timeout={timeout}ms&drift={drift}&root={root}", hosts.join(","));
        let read = Address::parse(&url).unwrap();
        prop_assert_eq!(read.hosts, hosts);
        let (ttl, timeout) = (Duration::from_millis(ttl), Duration::from_millis(timeout));
        prop_assert_eq!(read.config, Config { root, ttl, timeout, drift, ..Config::default() });
    }

    #[test]
    fn no_message_shows_a_password(password in "[A-Z]{8,12}", wrong in "(\\?nonsense=1|:port|/path|\\?ttl=0s|%zz)") {
        let error = Address::parse(&format!("etcd://user:{password}@host{wrong}")).unwrap_err();
        let shown = format!("{error} {error:?}");
        prop_assert!(!shown.contains(&password), "{}", shown);
    }
}
