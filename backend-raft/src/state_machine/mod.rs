//! The replicated state machine: sessions and elections.
//!
//! [`State`] is pure and deterministic; [`Replica`] is this node's copy of it together with those who watch
//! it; [`Machine`] is what openraft sees.

mod command;
mod deadlines;
mod holdings;
#[cfg(feature = "hot")]
pub mod hot;
mod hub;
mod look;
mod machine;
#[cfg(test)]
pub(crate) mod mangled;
mod queue;
mod replica;
mod roll;
mod session;
mod state;
mod telling;
#[cfg(test)]
mod tests;
mod views;

pub(crate) use command::{CandidacyId, Command, Outcome, Refusal, SessionId, TTL_BOUNDS_MS};
pub(crate) use hub::{SessionEvent, View};
pub(crate) use machine::Machine;
pub(crate) use replica::Replica;
pub(crate) use roll::Stage;
pub(crate) use session::KEY_BITS;
pub(crate) use state::State;
#[cfg(test)]
pub(crate) use views::LeaderRecord;
pub(crate) use views::{Contest, Member, Place, Standing};
