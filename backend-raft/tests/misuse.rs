//! Whatever is asked for is refused with a reason, or safe.
#![allow(missing_docs)]

use std::time::Duration;

use backend_raft::{NodeConfig, RaftConfig, RaftTiming};
use election_core::Kind;
use proptest::prelude::*;
use testkit::misuse::{duration, url};

const PARAMETERS: &str = "node|data|listen|cluster|profile|ttl|patience|snapshot_every|keep_entries";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_config_is_refused_or_safe(
        ttl in duration(), patience in duration(), heartbeat in duration(), election_min in duration(),
        election_max in duration(), id in any::<u64>(),
    ) {
        let mut config = RaftConfig::new(["127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"]).with_ttl(ttl);
        config = config.with_node(NodeConfig::new(id % 5, "/data"));
        config.patience = patience;
        config.raft = RaftTiming { heartbeat, election_min, election_max };
        match config.validate() {
            Ok(()) => {
                prop_assert!((1..=3).contains(&(id % 5)));
                let timing = config.session;
                prop_assert!(timing.validity().as_secs_f64() / (1.0 - timing.drift) <= ttl.as_secs_f64() * (1.0 + 1e-9));
                prop_assert!(timing.validity() >= timing.renew_every + timing.attempt_timeout * 2);
                // Two heartbeats fit into the shortest wait, and the waits of two members differ.
                prop_assert!(heartbeat * 2 <= election_min && election_min < election_max);
                prop_assert!(!patience.is_zero());
            }
            Err(error) => prop_assert_eq!(error.kind(), Kind::InvalidConfig),
        }
    }

    #[test]
    fn no_text_panics(text in url("raft", PARAMETERS)) {
        if let Err(error) = RaftConfig::from_url(&text) {
            prop_assert_eq!(error.kind(), Kind::InvalidConfig);
        }
    }

    #[test]
    fn a_url_says_what_is_read(
        members in prop::collection::hash_set("[a-z][a-z0-9-]{0,8}:[1-9][0-9]{0,3}", 1..4),
        ttl in 20u64..100_000, patience in 1u64..60_000, cluster in "[a-z]{1,9}",
    ) {
        let members: Vec<String> = members.into_iter().collect();
        let url = format!("raft://{}?plaintext=yes&ttl={ttl}ms&patience={patience}ms&cluster={cluster}", members.join(","));
        let read = RaftConfig::from_url(&url).unwrap();
        prop_assert_eq!(read.members, members);
        prop_assert_eq!(read.session.ttl, Duration::from_millis(ttl));
        prop_assert_eq!(read.patience, Duration::from_millis(patience));
        prop_assert_eq!(read.cluster, cluster);
    }
}

#[test]
fn a_ttl_that_the_group_would_cut_short_is_refused() {
    let config = |micros| RaftConfig::new(["127.0.0.1:7001"]).with_ttl(Duration::from_micros(micros));
    config(20_000).validate().unwrap();
    let error = config(20_999).validate().unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig);
    assert!(error.to_string().contains("ttl is 20.999ms: give whole milliseconds"), "{error}");
}
