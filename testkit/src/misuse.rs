//! Strategies for what nobody should ask for: every backend must refuse it with a reason, or make it safe.

use std::time::Duration;

use proptest::prelude::*;

/// What may stand behind a parameter's name.
const VALUE: &str = "[0-9]{0,22}(ms|s|m|h)?|[ -~]{0,12}|\\PC{0,6}";

/// Durations that people write, and those that nobody should.
pub fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0u64..200_000).prop_map(Duration::from_millis),
        1 => (any::<u64>(), 0u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::from_nanos(1)),
        1 => Just(Duration::MAX),
    ]
}

/// Texts that look like URLs of ours, and others. `scheme` and `names`, those of the parameters, are patterns.
pub fn url(scheme: &'static str, names: &'static str) -> impl Strategy<Value = String> {
    let parameter = (names, VALUE).prop_map(|(name, value)| format!("{name}={value}"));
    let url = (scheme, "[a-z0-9.:@,%\\[\\]/-]{0,30}", prop::collection::vec(parameter, 0..4))
        .prop_map(|(scheme, authority, query)| format!("{scheme}://{authority}?{}", query.join("&")));
    prop_oneof![url, any::<String>()]
}
