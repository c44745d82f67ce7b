//! One member of the group: Raft, its store, and the service that answers members and clients.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`boot`] | opens the store, starts everything, forms the group; ends it in the right order |
//! | [`service`] | answers requests of members |
//! | [`arriving`] | puts together the snapshot that the Raft leader sends |
//! | [`clients`] | answers requests of clients |
//! | [`seal`] | to whom a session belongs |
//! | [`office`] | notices when this node becomes, or stops being, the Raft leader; expires sessions |
//! | [`renewals`] | confirms renewals, many at a time |
//! | [`health`] | notices when the node cannot go on, and stops it |
//! | [`forming`] | decides whether a node without a past forms a group or finds one |
//! | [`joining`] | asks to be let into a group |
//! | [`changes`] | adds, replaces and removes members, one change at a time |
//! | [`attempt`] | the steps of one change |
//! | [`register`] | keeps the roll of members, and ends changes that were left half done |
//! | [`acquaintance`] | tells whether a node is the one that it was |
//! | [`status`] | says how the node is |

mod acquaintance;
mod arriving;
mod attempt;
mod attendance;
mod backups;
mod boot;
mod changes;
#[cfg(test)]
mod changing;
mod clients;
mod forming;
mod health;
mod joining;
mod meter;
mod office;
mod register;
mod renewals;
#[cfg(test)]
mod rights;
mod seal;
mod service;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use boot::Node;
