//! The name of a candidate's znode, in the layout of Apache Curator's `LeaderLatch`.
//!
//! `_c_<guid>-<candidate id>-latch-<sequence>`; Curator's own latches leave out the id. Curator orders the
//! children of a latch by what follows the last `latch-` (`StandardLockInternalsDriver.standardFixForSorting`),
//! and so do we: both kinds contend in one election.

use std::cmp::Ordering;
use std::fmt::Write as _;

use election_core::CandidateId;
use rand::Rng;

const PROTECTED: &str = "_c_";
const LATCH: &str = "latch-";
const GUID_LEN: usize = 36;

/// The name of a new record without its sequence, which the server appends. Unique by its 122 random bits: it
/// finds the record of a create whose reply was lost, and no other.
pub(crate) fn new_prefix(id: &CandidateId) -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    // A version 4 UUID, as Curator's.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut name =
        String::with_capacity(PROTECTED.len() + GUID_LEN + id.as_str().len() + 2 + LATCH.len() + 10);
    name.push_str(PROTECTED);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            name.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    let _ = write!(name, "-{id}-{LATCH}");
    name
}

/// The path of a record of ours without its sequence; `None` for what is no such record.
pub(crate) fn without_sequence(path: &str) -> Option<&str> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    Sequence::of(name).filter(|_| name.starts_with(PROTECTED))?;
    path.rfind(LATCH).map(|at| &path[..at + LATCH.len()])
}

/// Where a record stands in the queue: the number that the server appended to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence(i64);

impl Sequence {
    /// The sequence in a child's name; `None` for a child that is no candidate.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, digits) = name.rsplit_once(LATCH)?;
        digits.parse().ok().map(Self)
    }
}

impl Ord for Sequence {
    /// The counter is an `i32` on the servers of today and wraps after 2³¹ joins of one election; the candidates
    /// alive at one time are never that far apart, so the wrapped difference orders them. (Curator compares
    /// strings, which would put the newcomer before the leader.)
    fn cmp(&self, other: &Self) -> Ordering {
        match (i32::try_from(self.0), i32::try_from(other.0)) {
            (Ok(a), Ok(b)) => a.wrapping_sub(b).cmp(&0),
            _ => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a candidate stands among the children of its election.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    /// Its own record is not among them.
    Absent,
    /// Nobody is ahead.
    First,
    /// This one is directly ahead.
    Behind(&'a str),
}

/// The standing of `own`, which is the name of a record.
pub(crate) fn standing<'a>(children: &'a [String], own: &str) -> Standing<'a> {
    let Some(sequence) = Sequence::of(own) else { return Standing::Absent };
    let mut present = false;
    let mut ahead: Option<(Sequence, &str)> = None;
    for child in children {
        if child == own {
            present = true;
            continue;
        }
        let Some(theirs) = Sequence::of(child) else { continue };
        if theirs < sequence && ahead.is_none_or(|(nearest, _)| theirs > nearest) {
            ahead = Some((theirs, child));
        }
    }
    match (present, ahead) {
        (false, _) => Standing::Absent,
        (true, None) => Standing::First,
        (true, Some((_, name))) => Standing::Behind(name),
    }
}

/// The first candidate among the children of an election: its leader.
pub(crate) fn first<'a>(children: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
    let candidates = children.into_iter().filter_map(|name| Some((Sequence::of(name)?, name.as_str())));
    candidates.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, name)| name)
}

/// The candidate's id in the name of a record; for a record of another client, the whole name.
pub(crate) fn candidate_id(name: &str) -> &str {
    let ours = || {
        let (head, _) = name.strip_prefix(PROTECTED)?.rsplit_once(LATCH)?;
        head.get(GUID_LEN..)?.strip_prefix('-')?.strip_suffix('-').filter(|id| !id.is_empty())
    };
    ours().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURATOR: &str = "_c_c8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11-latch-0000000007";

    fn id(id: &str) -> CandidateId {
        CandidateId::new(id).unwrap()
    }

    #[test]
    fn a_name_gives_back_id_and_sequence() {
        for candidate in ["worker-1", "latch-", "a-latch-9", "x"] {
            let name = format!("{}0000000042", new_prefix(&id(candidate)));
            assert_eq!(candidate_id(&name), candidate);
            assert_eq!(Sequence::of(&name), Some(Sequence(42)));
            // Curator sorts by what follows the last "latch-".
            assert_eq!(&name[name.rfind("latch-").unwrap() + 6..], "0000000042");
        }
        assert_ne!(new_prefix(&id("a")), new_prefix(&id("a")));
    }

    #[test]
    fn names_of_others_are_their_ids() {
        assert_eq!(candidate_id(CURATOR), CURATOR);
        assert_eq!(candidate_id("latch-0000000001"), "latch-0000000001");
        assert_eq!(candidate_id("_c_short-latch-1"), "_c_short-latch-1");
        assert_eq!(Sequence::of(CURATOR), Some(Sequence(7)));
    }

    #[test]
    fn children_that_are_no_candidates_do_not_count() {
        for name in ["_c_c8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11-lock-0000000001", "notes", "latch-", "latch-x"]
        {
            assert_eq!(Sequence::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_candidate_waits_for_the_one_directly_ahead() {
        let children: Vec<String> =
            ["b-latch-0000000003", CURATOR, "notes", "a-latch-0000000010"].map(Into::into).into();
        assert_eq!(standing(&children, "b-latch-0000000003"), Standing::First);
        assert_eq!(standing(&children, CURATOR), Standing::Behind("b-latch-0000000003"));
        assert_eq!(standing(&children, "a-latch-0000000010"), Standing::Behind(CURATOR));
        // A record that is gone never leads, even if nobody is ahead.
        assert_eq!(standing(&children, "gone-latch-0000000001"), Standing::Absent);
        assert_eq!(first(&children), Some("b-latch-0000000003"));
        assert_eq!(first(&["notes".to_owned()]), None);
    }

    #[test]
    fn the_queue_survives_the_wrap_of_the_counter() {
        let children: Vec<String> = ["x-latch--2147483648", "y-latch-2147483647"].map(Into::into).into();
        assert_eq!(first(&children), Some("y-latch-2147483647"));
        assert_eq!(standing(&children, "x-latch--2147483648"), Standing::Behind("y-latch-2147483647"));
        assert!(Sequence(i64::from(i32::MAX)) < Sequence(i64::from(i32::MAX) + 1));
    }
}
