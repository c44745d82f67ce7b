//! Deterministic simulation of the embedded Raft group: `cargo xtask sim`; never published.
//!
//! Members, clients and observers run as they are, each in a runtime of its own, on one thread; their machines are
//! simulated. A run is a function of its seed.
//!
//! | module | what it gives |
//! | --- | --- |
//! | `world` | all machines of a run, and the order in which things happen to them |
//! | `machine` | one machine with one process, which crashes, stops, and starts anew on its disk |
//! | `moment` | true time, and what a machine takes for it |
//! | `net` | connections, with delay, loss and cuts |
//! | `sink` | the resource that only the leader may write to |
//! | `roles` | what the processes do |
//! | `plan` | what a seed makes of a run, and which faults strike |
//! | `journal` | what happened, for the checker and for a person |
//! | `outcome` | what a run is worth |
//! | [`fleet`] | many runs, each in a process of its own |
//! | [`args`] | the command line |

pub mod args;
pub mod fleet;
mod journal;
mod machine;
mod moment;
mod net;
mod outcome;
mod plan;
mod roles;
mod sink;
mod world;

pub use outcome::Outcome;
pub use world::steps;

/// The run of a seed, in this process; with `loud`, it is told as it happens.
#[must_use]
pub fn run(seed: u64, loud: bool) -> Outcome {
    world::World::new(seed, loud).run()
}
