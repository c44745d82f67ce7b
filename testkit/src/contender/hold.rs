//! How long a leadership is held, and how it is given up.

use std::pin::pin;

use anyhow::Result;
use futures::FutureExt;
use rand::rngs::StdRng;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::args::Args;
use super::leave::Leave;
use super::stop::Stop;
use super::work::Watched;
use crate::history::{Event, Op, Phase};

/// Checks until the leadership is lost, or is to be given up.
pub(super) async fn hold(args: &Args, rng: &mut StdRng, mut stop: Stop, watched: &Watched) -> Result<Leave> {
    let mut lost = pin!(watched.handle.lost().fuse());
    let mut told = false;
    let mut ticks = interval(args.check_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = pin!(sleep(args.hold.draw(rng)));
    loop {
        tokio::select! {
            loss = &mut lost, if !told => {
                told = true;
                let reason = Some(format!("{loss:?}"));
                watched.recorder.record(Event { reason, ..watched.event(Op::Lost, Phase::Info) })?;
            }
            _ = ticks.tick() => {
                if watched.check()?.is_err() {
                    // A lost leadership is resigned, too: it must harm nobody.
                    return Ok(Leave::draw(rng, 0.5, 0.5));
                }
            }
            () = &mut end => match Leave::draw(rng, args.resign, args.drop) {
                Leave::Stay => end.set(sleep(args.hold.draw(rng))),
                leave => return Ok(leave),
            },
            () = stop.asked() => return Ok(Leave::Resign),
        }
    }
}
