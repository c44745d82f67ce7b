//! How often a group was founded anew: the high bits of its log indices, and so of its tokens.
//!
//! The tokens that the old group gave out after the backup was taken are not in it. So a restored group does not
//! continue at the backup's index, it begins at the next multiple of 2^44: a group that commits 70,000 entries a
//! second for seven years stays below that, and there is room for a million restores.

/// So many low bits of an index count the entries of one epoch.
const BITS: u32 = 44;

/// The last epoch.
pub(super) const MAX: u64 = (1 << (64 - BITS)) - 1;

/// To which epoch an index belongs. A group that was formed in the ordinary way is in epoch 0.
pub(super) fn of(index: u64) -> u64 {
    index >> BITS
}

/// The first index of an epoch.
pub(super) fn first(epoch: u64) -> u64 {
    epoch << BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_begins_above_everything_in_the_one_before() {
        for epoch in [0, 1, 7, MAX - 1] {
            let last = first(epoch + 1) - 1;
            assert_eq!((of(first(epoch)), of(last), of(last + 1)), (epoch, epoch, epoch + 1));
        }
        assert_eq!(of(u64::MAX), MAX);
    }
}
