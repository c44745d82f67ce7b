//! To whom a session belongs.

use aws_lc_rs::digest::{Context, SHA256};

use crate::network::{Origin, SessionKey};
use crate::state_machine::KEY_BITS;

/// What the group remembers of a session's key. It is written to the log in place of the key, so whoever can
/// read a member's disk cannot use what it finds there; and it says who opened the session, so that one client
/// cannot take the places of all.
///
/// With certificates the client's name is a part of it: the key alone, stolen, is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal(u128);

impl Seal {
    /// The seal of `key` in the hands of `origin`.
    pub(crate) fn new(key: SessionKey, origin: &Origin) -> Self {
        let name = match origin {
            Origin::Certificate(identity) => identity.to_string(),
            // An address may change while a session lives.
            Origin::Address(_) => String::new(),
        };
        let session = digest(b"session", &[&key.to_bytes(), name.as_bytes()]);
        let opener = digest(b"opener", &[origin.to_string().as_bytes()]);
        Self(opener << KEY_BITS | session & ((1 << KEY_BITS) - 1))
    }

    /// As the state machine keeps it.
    pub(crate) fn to_bits(self) -> u128 {
        self.0
    }

    /// Whether it is of the same key and name, wherever it was used.
    pub(crate) fn opens(self, bits: u128) -> bool {
        (self.0 ^ bits) & ((1 << KEY_BITS) - 1) == 0
    }
}

fn digest(of: &[u8], parts: &[&[u8]]) -> u128 {
    let mut context = Context::new(&SHA256);
    context.update(of);
    parts.iter().for_each(|part| context.update(part));
    let (digest, mut first) = (context.finish(), [0; 16]);
    first.copy_from_slice(&digest.as_ref()[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Identity;

    #[test]
    fn only_the_same_key_in_the_same_hands_opens_it() {
        let key = SessionKey::of;
        let named = |name: &str| Origin::Certificate(Identity::Client(name.into()));
        let at = |last| Origin::Address([10, 0, 0, last].into());
        let seal = Seal::new(key(7), &named("a"));
        assert!(Seal::new(key(7), &named("a")).opens(seal.to_bits()));
        assert!(!Seal::new(key(8), &named("a")).opens(seal.to_bits()));
        assert!(!Seal::new(key(7), &named("b")).opens(seal.to_bits()));
        assert!(!Seal::new(key(7), &at(1)).opens(seal.to_bits()));
        // A client that moves to another address keeps its session; it counts where it was opened.
        assert!(Seal::new(key(7), &at(1)).opens(Seal::new(key(7), &at(2)).to_bits()));
        let opener = |seal: Seal| seal.to_bits() >> KEY_BITS;
        assert_ne!(opener(Seal::new(key(7), &at(1))), opener(Seal::new(key(7), &at(2))));
        assert_eq!(opener(Seal::new(key(7), &at(1))), opener(Seal::new(key(9), &at(1))));
    }
}
