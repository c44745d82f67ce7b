//! [`Arriving`]: the snapshot that a Raft leader is sending, part by part.

use bytes::{Bytes, BytesMut};

use crate::network::{Failure, SnapshotPart};
use crate::types::NodeId;

/// The largest snapshot that is taken, in bytes: the sender chooses how many there are, and they lie in memory.
const MAX_SNAPSHOT: usize = 1024 * 1024 * 1024;

/// The parts so far. There is one Raft leader, so there is one snapshot: whoever begins to send one takes the place of
/// another sender, who has been deposed, or died in the middle of it.
#[derive(Default)]
pub(super) struct Arriving {
    from: NodeId,
    parts: BytesMut,
}

impl Arriving {
    /// Takes in a part; the whole, if it was the last.
    pub(super) fn take(&mut self, from: NodeId, part: &SnapshotPart) -> Result<Option<Bytes>, Failure> {
        if part.offset == 0 {
            *self = Self { from, parts: BytesMut::new() };
        }
        let held = if self.from == from { self.parts.len() } else { 0 };
        if self.from != from || part.offset != held as u64 || held + part.bytes.len() > MAX_SNAPSHOT {
            if self.from == from {
                *self = Self::default();
            }
            return Err(Failure::Forbidden {
                why: format!(
                    "a part of a snapshot at {}, after {held} bytes: they come in order, and {MAX_SNAPSHOT} bytes are \
                     the most",
                    part.offset
                ),
            });
        }
        self.parts.extend_from_slice(&part.bytes);
        Ok(part.last.then(|| std::mem::take(self).parts.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SnapshotMeta, Vote};

    fn part(offset: u64, bytes: &'static [u8], last: bool) -> SnapshotPart {
        SnapshotPart {
            vote: Vote::new(1, 1),
            meta: SnapshotMeta::default(),
            offset,
            bytes: Bytes::from_static(bytes),
            last,
        }
    }

    #[test]
    fn parts_make_a_whole_and_nothing_is_kept_of_it() {
        let mut arriving = Arriving::default();
        assert_eq!(arriving.take(2, &part(0, b"ab", false)).unwrap(), None);
        assert_eq!(arriving.take(2, &part(2, b"c", true)).unwrap().unwrap().as_ref(), b"abc");
        assert!(arriving.parts.is_empty() && arriving.parts.capacity() == 0);
        assert_eq!(arriving.take(2, &part(0, b"all", true)).unwrap().unwrap().as_ref(), b"all");
    }

    #[test]
    fn a_snapshot_takes_the_place_of_one_that_a_former_leader_had_begun() {
        let mut arriving = Arriving::default();
        arriving.take(2, &part(0, b"of a leader that dies", false)).unwrap();
        arriving.take(3, &part(0, b"ab", false)).unwrap();
        assert_eq!(arriving.parts.len(), 2);
        // It was only cut off, and goes on: the other's is not harmed.
        assert!(arriving.take(2, &part(21, b"more", false)).is_err());
        assert_eq!(arriving.take(3, &part(2, b"c", true)).unwrap().unwrap().as_ref(), b"abc");
    }

    #[test]
    fn a_part_out_of_order_is_refused_and_what_came_before_is_forgotten() {
        let mut arriving = Arriving::default();
        arriving.take(2, &part(0, b"ab", false)).unwrap();
        for offset in [1, 3, 2] {
            assert!(matches!(arriving.take(2, &part(offset, b"c", true)), Err(Failure::Forbidden { .. })));
        }
    }
}
