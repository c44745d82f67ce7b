//! Models of the recipes, checked exhaustively with stateright.
//!
//! | model | what it is about |
//! | --- | --- |
//! | [`deadline`] | `election-core`: the deadline of a session, under drifting clocks, pauses, slow answers |
//! | [`etcd_proof`], [`zk_proof`], [`raft_proof`] | what each backend takes for a proven renewal: while the deadline lasts, the session's record stands, whatever leaders and followers of the service do |
//! | [`etcd`], [`zk`], [`raft`] | what each backend does in the queue: join, wait, win, resign, cancel, with answers that are lost, requests that come late, and sessions that expire |
//!
//! The proofs are about one session and about time; the queues are about three candidates and know no time. What
//! joins them is one sentence, which the first show and the second assume: *a session does not expire before its
//! deadline has passed here*. A queue's model lets the deadline pass at any moment, and the session expire at any
//! later one.
//!
//! No action is ever forced, unless a model says so: a process may stand still between any two of its actions, for
//! as long as the others like. So every pause, of clients and of servers, is in the models, without being counted.
//!
//! Each model has a list of *naive variants*: recipes that are used in the world, or were tempting. The recipe must
//! hold in every state that can be reached; each variant must be caught, and its shortest counterexample is printed
//! (`cargo test -p testkit --no-default-features --test models -- --nocapture`). So the models can fail.
#![forbid(unsafe_code)]

mod check;
mod deadline;
mod etcd;
mod etcd_proof;
mod raft;
mod raft_proof;
mod zk;
mod zk_proof;
