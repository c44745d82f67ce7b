//! The laws that every backend keeps: one function each, one file per theme.
//!
//! A law is an `async fn(&dyn Fixture)` that panics when it is broken. It waits for events with a bound and
//! never for a fixed time, and it asks the service itself, through the [`Fixture`], what is really there.
//!
//! # For authors of backends
//! Implement [`Fixture`] and [`Process`] for your coordination service, then make a test of each law:
//!
//! ```
//! use election_core::conformance::{Needs, conformance_tests};
//! # mod fixture {
//! #     use std::{sync::Arc, time::Duration};
//! #     use election_core::{*, conformance::{Fixture, Process}};
//! #     pub struct MyFixture;
//! #     #[async_trait::async_trait]
//! #     impl Fixture for MyFixture {
//! #         async fn process(&self) -> Box<dyn Process> { unimplemented!() }
//! #         fn ttl(&self) -> Duration { unimplemented!() }
//! #         fn takeover_bound(&self) -> Duration { unimplemented!() }
//! #         async fn records(&self, _: &ElectionName) -> usize { unimplemented!() }
//! #         async fn delete_record(&self, _: &ElectionName, _: FencingToken) {}
//! #         async fn delete_last_record(&self, _: &ElectionName) -> bool { false }
//! #         async fn remove_election(&self, _: &ElectionName) {}
//! #         async fn stop_service(&self) {}
//! #         async fn start_service(&self) {}
//! #     }
//! # }
//! # use fixture::MyFixture;
//!
//! /// `None` skips the laws, where the service is not installed.
//! async fn my_fixture(needs: Needs) -> Option<MyFixture> {
//!     Some(match needs {
//!         Needs::Shared => MyFixture, // on a service that other laws use at the same time
//!         Needs::Own => MyFixture,    // on a service that this law alone stops and starts
//!     })
//! }
//!
//! conformance_tests!(my_fixture); // a `#[test]` per law: campaign::a_sole_candidate_is_elected, …
//! ```

pub mod campaign;
pub mod cancel;
pub mod close;
mod fixture;
pub mod isolation;
mod laws;
pub mod lead;
pub mod leftovers;
pub mod loss;
pub mod observe;
pub mod outage;
pub mod reach;
pub mod resign;
pub mod session;
mod support;
pub mod takeover;
pub mod tokens;
pub mod values;

pub use crate::conformance_tests;
pub use fixture::{Fixture, Needs, Process};
pub use laws::run;
