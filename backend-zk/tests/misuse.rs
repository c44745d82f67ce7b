//! Whatever is asked for is refused with a reason, or safe.
#![allow(missing_docs)]

use std::time::Duration;

use backend_zk::Config;
use election_core::Kind;
use proptest::prelude::*;
use testkit::misuse::{duration, url};

const PARAMETERS: &str = "timeout|root|connect_timeout|drift|margin";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_config_is_refused_or_safe(
        timeout in duration(), connect_timeout in duration(), margin in prop::option::of(duration()),
        root in "[ -~]{0,20}", named in any::<bool>(), drift in prop_oneof![0.0..0.4, any::<f64>()],
    ) {
        let root = if named { "/election".to_owned() } else { root };
        let config = Config { root, timeout, connect_timeout, drift, margin, ..Config::default() };
        let timing = config.timing(timeout);
        match config.validate() {
            Ok(()) => {
                let real = timing.validity().as_secs_f64() / (1.0 - drift);
                prop_assert!(real <= timeout.as_secs_f64() * (1.0 + 1e-9));
                // One renewal behind, and one attempt that fails.
                prop_assert!(timing.validity() >= timing.renew_every * 2 + timing.attempt_timeout * 2);
            }
            Err(error) => prop_assert_eq!(error.kind(), Kind::InvalidConfig),
        }
    }

    #[test]
    fn no_text_panics(text in url("zks?", PARAMETERS)) {
        if let Err(error) = Config::parse(&text) {
            prop_assert_eq!(error.kind(), Kind::InvalidConfig);
        }
    }

    #[test]
    fn a_url_says_what_is_read(
        endpoints in prop::collection::vec("[a-z][a-z0-9-]{0,8}:[1-9][0-9]{0,3}", 1..4),
        timeout in 200u64..100_000, connect_timeout in 1u64..60_000, root in "(/[a-y]{1,5}){1,3}",
    ) {
        let hosts = endpoints.join(",");
        let url = format!("zk://{hosts}?timeout={timeout}ms&connect_timeout={connect_timeout}ms&root={root}");
        let read = Config::parse(&url).unwrap();
        prop_assert_eq!(read.endpoints, endpoints);
        prop_assert_eq!(read.timeout, Duration::from_millis(timeout));
        prop_assert_eq!(read.connect_timeout, Duration::from_millis(connect_timeout));
        prop_assert_eq!(read.root, root);
    }

    #[test]
    fn no_message_shows_a_password(password in "[A-Z]{8,12}", wrong in "(\\?nonsense=1|:port|/path|\\?timeout=0s|%zz)") {
        let error = Config::parse(&format!("zk://user:{password}@host{wrong}")).unwrap_err();
        let shown = format!("{error} {error:?}");
        prop_assert!(!shown.contains(&password), "{}", shown);
    }
}
