//! The chaos runner: `testkit-chaos`, called by `cargo xtask chaos`.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Args`] | the command line |
//! | [`Plan`] | which faults, in which order, for how long: the same for the same seed |
//! | [`Chaos`] | a run: it strikes, waits for a leader, strikes again, and gathers the facts |
//! | [`Outcome`] | what the checker says of it, and whether every requested fault was exercised |

mod args;
mod outcome;
mod plan;
mod progress;
mod run;
mod strike;

pub use args::Args;
pub use outcome::Outcome;
pub use plan::{Plan, Round, Strike};
pub use progress::Progress;
pub use run::{Chaos, Length};
