//! The mode `observe`.

use std::pin::pin;

use anyhow::Result;
use election_core::Elector;
use futures::StreamExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::args::Args;
use super::retry::{backoff, is_final, pause, reason};
use super::session::Session;
use super::stop::Stop;
use crate::history::{Event, Op, Phase, Recorder, View};

/// Observes until the process is to end.
pub(super) async fn run(args: &Args, recorder: &Recorder, mut stop: Stop, rng: &mut StdRng) -> Result<()> {
    let mut observations = 0;
    let mut backoff = backoff();
    while let Some(session) = Session::open(args, recorder, &mut stop).await? {
        let mut broken = false;
        while !broken && !stop.is_asked() {
            observations += 1;
            let observation = Observation { recorder, number: observations };
            let lasts = args.reopen.draw(rng);
            tokio::select! {
                ended = observation.follow(session.elector.as_ref()) => broken = ended?,
                () = sleep(lasts) => observation.end()?,
                () = stop.asked() => observation.end()?,
            }
            if broken {
                pause(&mut backoff, &mut stop).await?;
            }
        }
        session.close(recorder).await?;
    }
    Ok(())
}

struct Observation<'a> {
    recorder: &'a Recorder,
    number: u64,
}

impl Observation<'_> {
    /// Records item after item; `true` when the stream has ended by itself.
    async fn follow(&self, elector: &dyn Elector) -> Result<bool> {
        self.recorder.record(self.event(Phase::Invoke))?;
        let mut events = pin!(elector.observe());
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    self.recorder
                        .record(Event { view: Some(View::from(event)), ..self.event(Phase::Info) })?;
                }
                Some(Err(error)) => {
                    let (reason, note) = (Some(reason(&error)), Some(error.to_string()));
                    self.recorder.record(Event { reason, note, ..self.event(Phase::Fail) })?;
                    return if is_final(&error) { Err(error.into()) } else { Ok(true) };
                }
                None => {
                    let reason = Some("ended without an error".to_owned());
                    self.recorder.record(Event { reason, ..self.event(Phase::Fail) })?;
                    return Ok(true);
                }
            }
        }
    }

    fn end(&self) -> Result<()> {
        self.recorder.record(self.event(Phase::Ok))
    }

    fn event(&self, phase: Phase) -> Event {
        Event { number: Some(self.number), ..Event::new(Op::Observe, phase) }
    }
}
