//! The words and the contract of leader election: one trait, [`Elector`], over any coordination service.
//!
//! | word | type |
//! | --- | --- |
//! | election | a named contest: [`ElectionName`] |
//! | candidate | one entrant: [`Candidate`] |
//! | elector | one process's access to one election: [`Elector`] |
//! | coordinator | what the electors of one process share: [`Coordinator`] |
//! | leadership | what a won campaign returns: [`Leadership`]; its work holds a [`LeadershipHandle`] |
//! | fencing token | strictly increasing from one leadership to the next: [`FencingToken`] |
//! | loss | why a leadership ended: [`Loss`] |
//! | leader event | what an observer sees: [`LeaderEvent`] |
//!
//! This crate knows no coordination service and opens no socket. [`memory`] is the reference model that the
//! other backends are compared with.

pub mod backend;
mod backoff;
mod candidate;
pub mod clock;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod elector;
mod error;
mod event;
pub mod gate;
mod lead;
mod leadership;
pub mod memory;
mod session;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod sim;
mod token;
#[cfg(zoo)]
pub mod zoo;

pub use backoff::Backoff;
pub use candidate::{Candidate, CandidateId, ElectionName, MAX_NAME_BYTES, MAX_VALUE_BYTES};
pub use config::Timing;
pub use elector::{Coordinator, Elector};
pub use error::{Error, Kind, Operation, Result};
pub use event::{Leader, LeaderEvent, LeaderEvents};
pub use lead::ElectorExt;
pub use leadership::{Leadership, LeadershipHandle, Loss};
pub use token::FencingToken;
