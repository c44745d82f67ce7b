//! The parts of a backend's URL: `scheme://user:password@host,host?name=value&…`.
//!
//! The usual grammar of URLs knows one host only, so backends take the text apart themselves. What stands between the
//! parts means the same to all of them: it is percent-encoded, and a `+` is a plus sign.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{Error, Result};

/// What means something to a URL: all but the unreserved characters of RFC 3986, and the slashes of paths.
const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The parameters, in their order: the names as they stand, the values decoded.
///
/// # Errors
/// As [`decode`].
pub fn parameters(query: &str) -> impl Iterator<Item = Result<(&str, String)>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((name, decode(name, value)?))
    })
}

/// What a percent-encoded text means.
///
/// # Errors
/// [`Kind::InvalidConfig`](crate::Kind::InvalidConfig), with the name only: the text may be a password.
pub fn decode(name: &str, text: &str) -> Result<String> {
    let two_digits = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let decoded = percent_decode_str(text).decode_utf8().ok();
    let decoded = decoded.filter(|_| text.split('%').skip(1).all(two_digits));
    decoded.map(Into::into).ok_or_else(|| {
        let why = format!("{name} is not percent-encoded UTF-8: write %25 for a percent sign");
        Error::invalid_config(why)
    })
}

/// The same text as a value of a URL: nothing in it means anything to the URL.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A whole number and its unit: `200ms`, `6s`, `1m`.
///
/// # Errors
/// [`Kind::InvalidConfig`](crate::Kind::InvalidConfig), with the name and the text.
pub fn duration(name: &str, text: &str) -> Result<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let read = number.parse::<u64>().ok().and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    });
    let hint = "give a whole number and its unit, as in 200ms, 6s or 1m";
    read.ok_or_else(|| Error::invalid_config(format!("{name} is {text:?}: {hint}")))
}

/// A number of that type; `hint` says what to give instead of what is none.
///
/// # Errors
/// [`Kind::InvalidConfig`](crate::Kind::InvalidConfig), with the name, the text and the hint.
pub fn number<T: FromStr>(name: &str, text: &str, hint: &str) -> Result<T> {
    text.parse().map_err(|_| Error::invalid_config(format!("{name} is {text:?}: {hint}")))
}

/// A part of one, such as a drift: any floating-point number.
///
/// # Errors
/// As [`number`].
pub fn part(name: &str, text: &str) -> Result<f64> {
    number(name, text, "give a part of one, as in 0.01 for one percent")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Kind;

    #[test]
    fn a_query_is_its_parameters() {
        let all: Vec<_> = parameters("&ttl=5s&data=a%2Fb+c&&join").map(Result::unwrap).collect();
        let expected = [("ttl", "5s"), ("data", "a/b+c"), ("join", "")];
        assert_eq!(all, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_cannot_be_decoded_is_not_shown() {
        for text in ["hush%", "hush%2", "hush%zz", "hush%+1", "hush%ff", "%€hush"] {
            let error = decode("password", text).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidConfig);
            let says = format!("{error} {error:?}");
            assert!(says.contains("password is not percent-encoded") && !says.contains("hush"), "{says}");
        }
    }

    #[test]
    fn numbers_have_their_units() {
        for (text, millis) in [("0ms", 0), ("1500ms", 1_500), ("5s", 5_000), ("2m", 120_000)] {
            assert_eq!(duration("ttl", text).unwrap(), Duration::from_millis(millis));
        }
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "5 s",
            "5h",
            "1.5s",
            "5s5",
            "99999999999999999999s",
            "18446744073709551615m",
        ] {
            let error = duration("ttl", text).unwrap_err().to_string();
            assert!(error.contains(&format!("ttl is {text:?}: give a whole number")), "{error}");
        }
        assert_eq!(part("drift", "0.05").unwrap(), 0.05);
        assert!(part("drift", "fast").unwrap_err().to_string().contains("drift is \"fast\": give a part"));
        assert!(
            number::<u64>("node", "one", "give a whole number").unwrap_err().to_string().contains("node is")
        );
    }

    #[test]
    fn paths_stay_readable() {
        assert_eq!(encode("/var/lib/node-1_a.b~/50% & more+"), "/var/lib/node-1_a.b~/50%25%20%26%20more%2B");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text: String) {
            let query = format!("data={}", encode(&text));
            let all: Vec<_> = parameters(&query).map(Result::unwrap).collect();
            prop_assert_eq!(all, [("data", text)]);
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = (decode("name", &text), duration("name", &text), parameters(&text).count());
        }
    }
}
