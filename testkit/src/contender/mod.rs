//! The worker process of the proving ground: the binary `testkit-contender`.
//!
//! | mode | what it does |
//! | --- | --- |
//! | `lead` | campaigns for ever, by the single acts or by [`ElectorExt::lead`](election_core::ElectorExt::lead); while it leads it checks every few milliseconds and writes numbered units of work through a [`SqlGate`](election_core::gate::SqlGate); it resigns, drops its leadership, drops a waiting campaign or `lead` itself, or stays, as its seed says |
//! | `observe` | follows the election, with a new observation every few seconds |
//!
//! It outlives every outage of the service, records all it does and sees (see [`history`](crate::history)), and
//! ends cleanly on SIGTERM and SIGINT: it resigns, closes its coordinator and records that. On SIGUSR1 it only stops to
//! contend: a member of a Raft group is needed by the others until the run is over. A candidate's value is
//! `<id>/<incarnation>/<campaign>`, so that whatever is seen of it can be traced to one campaign.

mod args;
mod desk;
mod hold;
mod leading;
mod leave;
mod noted;
mod observing;
mod retry;
mod session;
mod sink;
mod stop;
mod work;

pub use args::{Args, Mode, Range};
pub use leave::Leave;
pub use sink::{Row, Sink};

use std::sync::Arc;

use anyhow::Result;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::history::{Event, Op, Phase, Recorder, Who, next_incarnation};

/// Does what the arguments say until a signal ends it.
///
/// # Errors
///
/// When the history or the sink cannot be written, or the service refuses us for good (a wrong URL, no rights).
pub async fn run(args: Args) -> Result<()> {
    let incarnation = args.incarnation.map_or_else(|| next_incarnation(&args.history), Ok)?;
    let who = Who { id: args.id.clone(), incarnation, election: args.election.clone() };
    let recorder = Arc::new(Recorder::open(&args.history, who)?);
    let stop = stop::on_signal()?;
    let mut rng = seeded(&args, incarnation);
    let done = match args.mode {
        Mode::Lead => leading::run(&args, &recorder, stop, &mut rng).await,
        Mode::Observe => observing::run(&args, &recorder, stop, &mut rng).await,
    };
    match done {
        Ok(()) => recorder.record(Event::new(Op::Run, Phase::Ok)),
        Err(error) => {
            let note = Some(format!("{error:#}"));
            recorder.record(Event { note, ..Event::new(Op::Run, Phase::Fail) })?;
            Err(error)
        }
    }
}

/// The same seed gives each process, and each of its incarnations, choices of its own.
fn seeded(args: &Args, incarnation: u32) -> StdRng {
    let own = args
        .id
        .bytes()
        .fold(u64::from(incarnation), |sum, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    StdRng::seed_from_u64(args.seed ^ own)
}
