//! A copy of a group, taken while it works, and a new group founded on one.
//!
//! A backup is the replicated state at one log index, confirmed by a quorum. A new group that is founded on it takes
//! over the one thing that must never be lost, that tokens grow: its log begins above every index that the old group
//! can have reached, also after the backup was taken ([`epoch`]). Sessions, and with them leaderships, are not taken
//! over: whoever held one must campaign anew.

mod contents;
mod epoch;
mod restore;
mod take;
#[cfg(test)]
mod tests;

pub use contents::Backup;
pub(crate) use contents::Contents;
#[cfg(test)]
pub(crate) use contents::FORMAT;
