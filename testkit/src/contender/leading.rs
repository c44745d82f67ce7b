//! The mode `lead`.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Result;
use election_core::{Backoff, Candidate, Elector, ElectorExt, Kind, LeadershipHandle};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::args::Args;
use super::desk::Desk;
use super::hold::hold;
use super::leave::Leave;
use super::noted::Noted;
use super::retry::{backoff, is_final, pause};
use super::session::Session;
use super::stop::Stop;
use crate::history::{Event, Op, Phase, Recorder};

/// Contends until the process is to end.
pub(super) async fn run(args: &Args, recorder: &Arc<Recorder>, stop: Stop, rng: &mut StdRng) -> Result<()> {
    args.validate()?;
    let writer = format!("{}/{}", args.id, recorder.incarnation());
    let desk = Desk::new(args.sink.clone(), args.work_every)?;
    let mut contender = Contender { args, stop, rng, desk, writer: &writer, backoff: backoff() };
    let campaigns = AtomicU64::new(0);
    while let Some(session) = Session::open(args, recorder, &mut contender.stop).await? {
        let noted = Noted::new(session.elector.as_ref(), recorder, &writer, &campaigns);
        let closed = contender.contend(&noted).await;
        if closed.is_ok() && contender.stop.is_asked() {
            recorder.record(Event { note: Some("rests".into()), ..Event::new(Op::Run, Phase::Info) })?;
            contender.stop.ended().await;
        }
        session.close(recorder).await?;
        closed?;
    }
    Ok(())
}

struct Contender<'a> {
    args: &'a Args,
    stop: Stop,
    rng: &'a mut StdRng,
    desk: Desk,
    writer: &'a str,
    backoff: Backoff,
}

/// The part of `lead`'s work that does not stop when the leadership is lost, and is dropped at the deadline.
const STUBBORN: f64 = 0.3;

/// How a campaign, or what `lead` made of several, came to its end.
type Ended = election_core::Result<Result<()>>;

impl Contender<'_> {
    /// Campaign after campaign, until the process is to end or the coordinator is closed.
    async fn contend(&mut self, noted: &Noted<'_>) -> Result<()> {
        while !self.stop.is_asked() {
            let ended = match self.rng.random_bool(self.args.by_lead) {
                true => self.by_lead(noted).await?,
                false => self.by_campaign(noted).await?,
            };
            let Some(ended) = ended else { continue };
            match ended {
                Ok(done) => {
                    self.backoff.reset();
                    done?;
                }
                Err(error) if error.is_retryable() => pause(&mut self.backoff, &mut self.stop).await?,
                Err(error) if is_final(&error) => return Err(error.into()),
                Err(_) => {
                    // A coordinator that is closed or confused is replaced.
                    pause(&mut self.backoff, &mut self.stop).await?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// By the single acts: campaign, check, resign or drop. `None` if it was abandoned.
    async fn by_campaign(&mut self, noted: &Noted<'_>) -> Result<Option<Ended>> {
        let cancel = self.rng.random_bool(self.args.cancel);
        let patience = self.args.cancel_after.draw(self.rng);
        let mut campaign = noted.campaign(Candidate::new(&self.args.id)?);
        let ended = tokio::select! {
            ended = &mut campaign => Some(ended),
            () = sleep(patience), if cancel => None,
            () = self.stop.asked() => None,
        };
        let Some(ended) = ended else {
            let why = if self.stop.is_asked() { "stopped" } else { "cancelled" };
            noted.abandon(campaign, why)?;
            return Ok(None);
        };
        let leadership = match ended {
            Ok(leadership) => leadership,
            Err(error) => return Ok(Some(Err(error))),
        };
        let watched = noted.watched(leadership.handle());
        let work = self.desk.begin(watched.clone(), self.writer.to_owned());
        match hold(self.args, self.rng, self.stop.clone(), &watched).await? {
            // A drop does not wait for the work.
            Leave::Drop => {
                noted.abandon(leadership, "dropped")?;
                work.drain().await?;
            }
            Leave::Resign | Leave::Stay => {
                // Work, drain, resign. What it answers is recorded; it is over either way.
                work.drain().await?;
                let _ = noted.resign(leadership).await;
            }
        }
        Ok(Some(Ok(Ok(()))))
    }

    /// By [`ElectorExt::lead`], which may be dropped at any time. `None` if it was.
    async fn by_lead(&mut self, noted: &Noted<'_>) -> Result<Option<Ended>> {
        let drop_after = self.rng.random_bool(self.args.cancel + self.args.drop).then(|| {
            // While it campaigns, or while it leads.
            self.args.cancel_after.draw(self.rng) + self.args.hold.draw(self.rng)
        });
        let stubborn = self.rng.random_bool(STUBBORN);
        let (args, desk, writer, stop) = (self.args, &self.desk, self.writer, self.stop.clone());
        let rng = &mut *self.rng;
        let work = |leadership: LeadershipHandle| async move {
            let watched = noted.watched(leadership);
            let work = desk.begin(watched.clone(), writer.to_owned());
            hold(args, rng, stop.clone(), &watched).await?;
            if stubborn && watched.check()?.is_err() {
                pending::<()>().await;
            }
            work.drain().await
        };
        let mut leading = Box::pin(noted.lead(Candidate::new(&args.id)?, work));
        let mut asked = self.stop.clone();
        let ended = tokio::select! {
            ended = &mut leading => Some(ended),
            () = sleep(drop_after.unwrap_or_default()), if drop_after.is_some() => None,
            // The work hears it, too, and `lead` resigns: but not before it leads.
            () = asked.asked() => if noted.leads() { Some(leading.as_mut().await) } else { None },
        };
        match ended {
            // It is retried by `lead` itself; what is left is work that was dropped at the deadline.
            Some(Err(error)) if error.kind() == Kind::SessionLost => Ok(Some(Ok(Ok(())))),
            Some(ended) => Ok(Some(ended)),
            None => noted.abandon(leading, "lead was dropped").map(|()| None),
        }
    }
}
