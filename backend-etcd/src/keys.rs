//! The names of records, and what can be read back from them.
//!
//! Layout: `<root>/<election>/<lease in hex>-<nonce>-<candidate id>`. The prefix and the lease in hex are what
//! Go's `concurrency.Election` and `etcdctl elect` write (`<election>/<lease in hex>`), so their candidates and
//! ours contend in one election; they, too, go by the create revision and not by the name. The nonce makes a
//! name unique, so that it can be created, found again and deleted without knowing what became of a request; where
//! that is known the name serves again (see [`Names`](crate::names::Names)).

use election_core::{CandidateId, ElectionName};

/// Hexadecimal digits of a nonce.
const NONCE_DIGITS: usize = 16;

/// The prefix of all records of an election; it ends with `/`, so `billing` and `billing.eu` stay apart.
pub(crate) fn prefix(root: &str, election: &ElectionName) -> Vec<u8> {
    if root.is_empty() { format!("{election}/") } else { format!("{root}/{election}/") }.into_bytes()
}

/// A new record's key. The name keeps the lease that the candidacy began with, whatever lease holds it later.
pub(crate) fn record(prefix: &[u8], lease: i64, id: &CandidateId) -> Vec<u8> {
    let nonce = rand::random::<u64>();
    #[cfg(zoo)]
    let nonce = if election_core::zoo::planted("etcd-resign-by-key") { 7 } else { nonce };
    let name = format!("{lease:x}-{nonce:0NONCE_DIGITS$x}-{id}");
    [prefix, name.as_bytes()].concat()
}

/// The candidate's id, if the key is one of ours; else the name of the record.
pub(crate) fn candidate_id(prefix: &[u8], key: &[u8]) -> String {
    let name = String::from_utf8_lossy(key.strip_prefix(prefix).unwrap_or(key));
    let mut parts = name.splitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(lease), Some(nonce), Some(id))
            if i64::from_str_radix(lease, 16).is_ok()
                && nonce.len() == NONCE_DIGITS
                && nonce.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !id.is_empty() =>
        {
            id.to_owned()
        }
        _ => name.into_owned(),
    }
}

/// A random lease id that we choose ourselves: a grant whose answer is lost can still be revoked.
///
/// Positive and not zero: zero lets the server choose.
pub(crate) fn lease() -> i64 {
    rand::random_range(1..=i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_read_back_whatever_dashes_it_has() {
        let prefix = prefix("/election", &ElectionName::new("billing").unwrap());
        assert_eq!(prefix, b"/election/billing/");
        for id in ["w", "worker-1", "a-b-c", "0-0123456789abcdef-x"] {
            let key = record(&prefix, 0x7587_1234, &CandidateId::new(id).unwrap());
            assert!(key.starts_with(b"/election/billing/75871234-"));
            assert_eq!(candidate_id(&prefix, &key), id);
        }
    }

    #[test]
    fn a_foreign_record_is_called_by_its_name() {
        let prefix = b"/election/billing/";
        for name in ["694d8e0d7e2c1f0a", "x-y-z", "12-34-w", "12-0123456789abcdef-", ""] {
            assert_eq!(candidate_id(prefix, &[prefix, name.as_bytes()].concat()), name);
        }
    }

    #[test]
    fn no_root_means_no_leading_slash() {
        assert_eq!(prefix("", &ElectionName::new("billing").unwrap()), b"billing/");
    }
}
