//! The reference model: a coordination service in memory, and a backend for it.
//!
//! It is for tests: doc tests and unit tests run on it, the conformance laws run on it first, and the other
//! backends are compared with it. It keeps the whole contract, under real time (the default) and under tokio's
//! paused time ([`TokioClock`](crate::clock::TokioClock)), and it has the faults that a test wants: see
//! [`Service`] and [`MemoryCoordinator`]. The service asserts its own invariants at every step.
//!
//! | our word | here |
//! | --- | --- |
//! | coordination service | [`Service`]: one value, shared by its clones |
//! | coordinator | [`MemoryCoordinator`]: a "process", with a link that can be severed |
//! | session | an entry with an expiry, which renewals move |
//! | candidacy | a record in the election's queue, ordered by its token |
//! | fencing token | a number from one counter of the service, drawn when a candidate joins |
//! | proof of renewal | the answer to a renewal: this service has no second member that could be stale |
//!
//! ```
//! use election_core::{Candidate, Coordinator, memory};
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let service = memory::Service::default();
//! let (first, second) = (service.connect(), service.connect());
//! let leader = first.elector("billing")?.campaign(Candidate::new("worker-1")?).await?;
//! leader.resign().await?;
//! let next = second.elector("billing")?.campaign(Candidate::new("worker-2")?).await?;
//! assert!(next.check().is_ok());
//! # Ok::<(), election_core::Error>(()) }).unwrap();
//! ```

mod candidacy;
mod coordinator;
mod elector;
mod error;
mod link;
mod observe;
mod service;
mod session;
mod state;

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

pub use coordinator::MemoryCoordinator;
pub use service::{Builder, Service};
