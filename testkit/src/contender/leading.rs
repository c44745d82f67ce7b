//! The mode `lead`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use election_core::{Backoff, Candidate, Elector, Leadership};
use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::args::Args;
use super::retry::{backoff, is_final, pause, reason};
use super::session::Session;
use super::sink::Sink;
use super::stop::Stop;
use super::work::{self, Watched};
use crate::history::{Event, Op, Phase, Recorder};

/// Contends until the process is to end.
pub(super) async fn run(args: &Args, recorder: &Arc<Recorder>, stop: Stop, rng: &mut StdRng) -> Result<()> {
    args.validate()?;
    let sink = args.sink.as_deref().map(Sink::open).transpose()?;
    let mut contender = Contender { args, recorder, stop, rng, sink, campaigns: 0, backoff: backoff() };
    while let Some(session) = Session::open(args, recorder, &mut contender.stop).await? {
        let closed = contender.contend(session.elector.as_ref()).await;
        session.close(recorder).await?;
        closed?;
    }
    Ok(())
}

struct Contender<'a> {
    args: &'a Args,
    recorder: &'a Arc<Recorder>,
    stop: Stop,
    rng: &'a mut StdRng,
    sink: Option<Sink>,
    campaigns: u64,
    backoff: Backoff,
}

/// How a leadership is given up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leave {
    Resign,
    Drop,
    Stay,
}

impl Contender<'_> {
    /// Campaign after campaign, until the process is to end or the coordinator is closed.
    async fn contend(&mut self, elector: &dyn Elector) -> Result<()> {
        while !self.stop.is_asked() {
            self.campaigns += 1;
            let value = format!("{}/{}/{}", self.args.id, self.args.incarnation, self.campaigns);
            let candidate = Candidate::new(&self.args.id)?.with_value(value)?;
            self.recorder.record(self.event(Phase::Invoke))?;
            let cancel = self.rng.random_bool(self.args.cancel);
            let patience = self.args.cancel_after.draw(self.rng);
            let ended = tokio::select! {
                ended = elector.campaign(candidate) => ended,
                () = sleep(patience), if cancel => {
                    // The future is dropped by now; its record is being withdrawn in the background.
                    self.recorder.record(Event { reason: Some("cancelled".into()), ..self.event(Phase::Info) })?;
                    continue;
                }
                () = self.stop.asked() => {
                    self.recorder.record(Event { reason: Some("stopped".into()), ..self.event(Phase::Info) })?;
                    break;
                }
            };
            match ended {
                Ok(leadership) => {
                    self.backoff.reset();
                    self.lead(leadership).await?;
                }
                Err(error) => {
                    let (reason, note) = (Some(reason(&error)), Some(error.to_string()));
                    self.recorder.record(Event { reason, note, ..self.event(Phase::Fail) })?;
                    if is_final(&error) {
                        return Err(error.into());
                    }
                    if !error.is_retryable() {
                        // A coordinator that is closed or confused is replaced.
                        pause(&mut self.backoff, &mut self.stop).await?;
                        return Ok(());
                    }
                    pause(&mut self.backoff, &mut self.stop).await?;
                }
            }
        }
        Ok(())
    }

    fn event(&self, phase: Phase) -> Event {
        Event { number: Some(self.campaigns), ..Event::new(Op::Campaign, phase) }
    }

    /// From the win to the end of one leadership.
    async fn lead(&mut self, leadership: Leadership) -> Result<()> {
        let token = Some(leadership.token().get());
        let (clock_ns, valid_until) =
            (Some(leadership.now().as_nanos()), leadership.valid_until().ok().map(|at| at.as_nanos()));
        self.recorder.record(Event { token, clock_ns, valid_until, ..self.event(Phase::Ok) })?;
        let watched = Watched {
            handle: leadership.handle(),
            recorder: Arc::clone(self.recorder),
            campaign: self.campaigns,
        };
        let enough = Arc::new(AtomicBool::new(false));
        let work = self.sink.take().map(|sink| {
            let (watched, enough) = (watched.clone(), Arc::clone(&enough));
            let (pace, writer) =
                (self.args.work_every, format!("{}/{}", self.args.id, self.args.incarnation));
            tokio::task::spawn_blocking(move || work::run(&watched, sink, pace, &writer, &enough))
        });
        let leave = self.hold(&watched).await?;
        enough.store(true, Ordering::SeqCst);
        // Work, drain, resign. A drop does not wait: its late writes are the gate's business.
        let mut drained = work;
        if leave == Leave::Resign
            && let Some(work) = drained.take()
        {
            self.sink = Some(work.await??);
        }
        give_up(leadership, &watched, leave).await?;
        if let Some(work) = drained {
            self.sink = Some(work.await??);
        }
        Ok(())
    }

    /// Checks until the leadership is lost, or is to be given up.
    async fn hold(&mut self, watched: &Watched) -> Result<Leave> {
        let mut lost = pin!(watched.handle.lost().fuse());
        let mut told = false;
        let mut ticks = interval(self.args.check_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = pin!(sleep(self.args.hold.draw(self.rng)));
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
                        return Ok(self.choose(0.5, 0.5));
                    }
                }
                () = &mut end => match self.choose(self.args.resign, self.args.drop) {
                    Leave::Stay => end.set(sleep(self.args.hold.draw(self.rng))),
                    leave => return Ok(leave),
                },
                () = self.stop.asked() => return Ok(Leave::Resign),
            }
        }
    }

    fn choose(&mut self, resign: f64, drop: f64) -> Leave {
        let drawn: f64 = self.rng.random_range(0.0..1.0);
        if drawn < resign {
            Leave::Resign
        } else if drawn < resign + drop {
            Leave::Drop
        } else {
            Leave::Stay
        }
    }
}

/// How long a resign may take, whatever the service does. Longer than any TTL of a run.
const RESIGN_WITHIN: Duration = Duration::from_secs(60);

/// Ends the leadership. From here on every check must fail, which is recorded, too.
async fn give_up(leadership: Leadership, watched: &Watched, leave: Leave) -> Result<()> {
    if leave == Leave::Drop {
        watched.recorder.record(watched.event(Op::Drop, Phase::Invoke))?;
        drop(leadership);
        watched.recorder.record(watched.event(Op::Drop, Phase::Ok))?;
        return watched.check().map(|_| ());
    }
    watched.recorder.record(watched.event(Op::Resign, Phase::Invoke))?;
    let mut resign = pin!(leadership.resign());
    // Begun, and mostly not over: the claim has ended by now.
    let early = resign.as_mut().now_or_never();
    watched.recorder.record(watched.event(Op::Resign, Phase::Info))?;
    let _ = watched.check()?;
    let resigned = match early {
        Some(resigned) => Some(resigned),
        None => tokio::time::timeout(RESIGN_WITHIN, resign).await.ok(),
    };
    watched.recorder.record(match resigned {
        Some(Ok(())) => watched.event(Op::Resign, Phase::Ok),
        Some(Err(error)) => {
            let (reason, note) = (Some(reason(&error)), Some(error.to_string()));
            Event { reason, note, ..watched.event(Op::Resign, Phase::Fail) }
        }
        None => {
            let reason = Some("hangs".to_owned());
            Event { reason, ..watched.event(Op::Resign, Phase::Info) }
        }
    })
}
