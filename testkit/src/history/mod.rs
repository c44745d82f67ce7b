//! Histories: what each process of a run did and saw, on one clock.
//!
//! Each process writes JSON lines into a file of its own with a [`Recorder`]; [`History::read_dir`] reads all of
//! them, and the [`checker`](crate::checker) decides. The clock is `CLOCK_MONOTONIC`, which all processes and network
//! namespaces of a host share, and which is true also under libfaketime: see [`Stamp`].
//!
//! # What a stamp proves
//! A line is stamped *after* what it reports, except `invoke`, which is stamped *before* what it announces. So
//! what a line reports happened between an earlier stamp (the `invoke`, or `began_ns`) and `mono_ns`; a pause between
//! the clock and the act makes that bracket wider, never wrong. For a check that succeeded the bracket ends no later
//! than the deadline it was told, because a check succeeds only before it.
//!
//! # How the harness takes part
//! ```
//! use std::time::Duration;
//! use testkit::checker::{self, Bounds, Exercise, Facts, Requirement, Verdict};
//! use testkit::history::{Effect, Event, Fault, History, Op, Phase, Recorder, Stamp, Who};
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let who = Who { id: "harness".into(), incarnation: 1, election: "chaos".into() };
//! let recorder = Recorder::open(&folder.join("harness.jsonl"), who)?;
//!
//! let pause = Fault {
//!     number: 1,
//!     kind: "pause-leader".into(),
//!     target: "worker-2".into(),
//!     pid: Some(4711),
//!     effect: Effect::Pauses,
//!     ..Fault::default()
//! };
//! let pause = recorder.inject(pause)?;
//! // SIGSTOP
//! pause.is_active()?;
//! // wait for 3 TTL
//! pause.is_active()?;
//! // SIGCONT
//! pause.is_over()?;
//!
//! let began = Stamp::now();
//! let tokens = vec![17]; // a linearizable read of the election's records
//! recorder.record(Event::records(tokens, began))?;
//! recorder.record(Event::new(Op::Run, Phase::Ok))?;
//!
//! let history = History::read_dir(folder)?;
//! assert_eq!(history.events.len(), 7);
//!
//! let facts = Facts {
//!     records: Some(vec![]), // what is left in the service, once all have ended
//!     required: vec![Requirement { kind: "pause-leader".into(), times: 1, exercise: Exercise::TakenOver }],
//!     ..Facts::new("chaos", Bounds::for_ttl(Duration::from_secs(2)))
//! };
//! let report = checker::check(&history, &facts);
//! assert_eq!(report.verdict(), Verdict::NotExercised, "nobody led: {report}");
//! for violation in &report.violations {
//!     std::fs::write("violation.svg", checker::render(&history, &facts.election, violation))?;
//! }
//! # Ok(()) }
//! ```

mod clock;
mod event;
mod follow;
mod reader;
mod recorder;
#[cfg(test)]
mod tests;

pub use clock::Stamp;
#[cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]
pub(crate) use clock::wall_ns;
pub use event::{Effect, Event, Fault, Op, Phase, View};
pub use follow::Follow;
pub use reader::History;
pub use recorder::{Injection, Recorder, Who, next_incarnation};
