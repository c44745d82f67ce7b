//! Who contends ([`Candidate`]) and for what ([`ElectionName`]).

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::error::{Error, Kind, Operation};

/// The longest [`ElectionName`] or [`CandidateId`], in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// The largest value of a candidate, in bytes (64 KiB).
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Checks what election names and candidate ids have in common.
fn check_name(field: &str, name: &str) -> Result<(), Error> {
    let invalid = |why: String| Error::new(Kind::InvalidConfig, Operation::Configure).message(why);
    if name.is_empty() {
        return Err(invalid(format!("{field} is empty: give 1 to {MAX_NAME_BYTES} bytes of [A-Za-z0-9._-]")));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(invalid(format!(
            "{field} has {} bytes, the limit is {MAX_NAME_BYTES}: shorten {:?}…",
            name.len(),
            name.chars().take(32).collect::<String>()
        )));
    }
    if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        return Err(invalid(format!("{field} {name:?} contains {bad:?}: only [A-Za-z0-9._-] is allowed")));
    }
    if name.starts_with('.') {
        return Err(invalid(format!("{field} {name:?} starts with '.': begin it with a letter or a digit")));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// [`Kind::InvalidConfig`] if it is empty, longer than [`MAX_NAME_BYTES`], starts with `.` or
            /// contains anything but `[A-Za-z0-9._-]`.
            pub fn new(name: impl AsRef<str>) -> Result<Self, Error> {
                check_name($field, name.as_ref())?;
                Ok(Self(name.as_ref().into()))
            }

            /// The name itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(s: &str) -> Result<Self, Error> {
                Self::new(s)
            }
        }
    };
}

name_type! {
    /// The name of an election: 1–128 bytes of `[A-Za-z0-9._-]`, not starting with `.`.
    ///
    /// The root under which elections live (`/election` by default) belongs to the backend's config.
    ElectionName, "election name"
}

name_type! {
    /// The name of a candidate: 1–128 bytes of `[A-Za-z0-9._-]`, not starting with `.`.
    ///
    /// It tells people who leads. It need not be unique: what tells two candidacies apart is their record in
    /// the coordination service, so two processes that were given one id by mistake still elect one leader.
    CandidateId, "candidate id"
}

/// One entrant in an election: an id for people and a value for programs (an address, say).
///
/// ```
/// use election_core::Candidate;
/// let candidate = Candidate::new("worker-1")?.with_value("10.0.0.7:8080")?;
/// assert_eq!(candidate.value().as_ref(), b"10.0.0.7:8080");
/// # Ok::<(), election_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    id: CandidateId,
    value: Bytes,
}

impl Candidate {
    /// A candidate with an empty value.
    ///
    /// # Errors
    /// [`Kind::InvalidConfig`] if the id is out of bounds (see [`CandidateId::new`]).
    pub fn new(id: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { id: CandidateId::new(id)?, value: Bytes::new() })
    }

    /// The same candidate with a value that observers see, byte for byte.
    ///
    /// # Errors
    /// [`Kind::InvalidConfig`] if the value has more than [`MAX_VALUE_BYTES`].
    pub fn with_value(mut self, value: impl Into<Bytes>) -> Result<Self, Error> {
        let value = value.into();
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::new(Kind::InvalidConfig, Operation::Configure).message(format!(
                "the value of candidate {:?} has {} bytes, the limit is {MAX_VALUE_BYTES}: \
                 store it elsewhere and announce its address",
                self.id,
                value.len()
            )));
        }
        self.value = value;
        Ok(self)
    }

    /// The id that people read.
    #[must_use]
    pub fn id(&self) -> &CandidateId {
        &self.id
    }

    /// The value that observers see.
    #[must_use]
    pub fn value(&self) -> &Bytes {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_bounds_and_say_which_one_was_broken() {
        assert!(ElectionName::new("a").is_ok());
        assert!(ElectionName::new("x".repeat(128)).is_ok());
        for (bad, says) in [
            (String::new(), "empty"),
            ("x".repeat(129), "129 bytes, the limit is 128"),
            ("a/b".into(), "contains '/'"),
            ("ä".into(), "contains 'ä'"),
            ("a b".into(), "contains ' '"),
            (".hidden".into(), "starts with '.'"),
        ] {
            let error = ElectionName::new(&bad).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidConfig);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn a_value_may_have_64_kib_and_not_one_byte_more() {
        let candidate = Candidate::new("c").unwrap();
        assert!(candidate.clone().with_value(vec![0; MAX_VALUE_BYTES]).is_ok());
        let error = candidate.with_value(vec![0; MAX_VALUE_BYTES + 1]).unwrap_err();
        assert!(error.to_string().contains("65537 bytes, the limit is 65536"), "{error}");
    }
}
