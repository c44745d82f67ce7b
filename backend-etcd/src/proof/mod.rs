//! Proofs of renewal: what extends the deadline of a session.
//!
//! | proof | where it is sound |
//! | --- | --- |
//! | [`swap`]: new lease, guarded move, old lease revoked | everywhere |
//! | [`keep_alive`]: keep-alive, then a committed comparison in the same Raft term | with the fix of etcd #15247 |
//!
//! [`version`] chooses.

pub(crate) mod keep_alive;
pub(crate) mod swap;
pub(crate) mod version;

#[cfg(test)]
mod tests;
