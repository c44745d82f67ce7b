//! [`Blow`]: one fault of a storm, and [`strike`]: several at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bench::clock;
use testkit::history::{Effect, Fault, Phase};
use testkit::net::{Fate, Rule, Weather};

use crate::stand::Stand;

/// A fault, and where it hits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    /// SIGSTOP of a candidate, and SIGCONT.
    Pause(usize),
    /// This becomes of all packets between a candidate's host and the servers, both ways.
    Cut(usize, Fate),
    /// SIGSTOP of a server, and SIGCONT.
    PauseServer(usize),
    /// SIGKILL of a server, and a start with what it had on its disk.
    Restart(usize),
}

/// A blow that begins and ends so long after the storm does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) blow: Blow,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// A blow that holds.
struct Holding {
    strike: Strike,
    fault: Fault,
    weather: Option<Weather>,
}

impl Blow {
    /// As the checker counts it.
    fn kind(self) -> &'static str {
        match self {
            Self::Pause(_) => "pause",
            Self::Cut(_, Fate::Forbidden) => "forbid",
            Self::Cut(..) => "cut",
            Self::PauseServer(_) => "pause-server",
            Self::Restart(_) => "restart",
        }
    }

    /// The candidate that it hits: a member of an embedded group is a server, too.
    fn candidate(self, stand: &Stand) -> Option<usize> {
        match self {
            Self::Pause(i) | Self::Cut(i, _) => Some(i),
            Self::PauseServer(i) | Self::Restart(i) => stand.processes().is_none().then_some(i),
        }
    }

    fn effect(self) -> Effect {
        match self {
            Self::Cut(..) => Effect::Disturbs,
            Self::Pause(_) | Self::PauseServer(_) => Effect::Pauses,
            Self::Restart(_) => Effect::Kills,
        }
    }

    fn begin(self, stand: &mut Stand) -> Result<Option<Weather>> {
        match (self, stand.processes()) {
            (Self::Cut(i, fate), _) => {
                let rules = Rule::around(stand.candidates[i].host(), &stand.servers, fate);
                return Weather::impose(rules).map(Some);
            }
            (Self::PauseServer(i), Some(servers)) => servers.pause(i)?,
            (Self::Restart(i), Some(servers)) => servers.kill(i)?,
            (Self::Pause(i), _) | (Self::PauseServer(i), None) => stand.candidates[i].stop()?,
            (Self::Restart(i), None) => stand.candidates[i].kill(&mut stand.record)?,
        }
        Ok(None)
    }

    fn end(self, stand: &mut Stand) -> Result<()> {
        match (self, stand.processes()) {
            (Self::Cut(..), _) => {}
            (Self::PauseServer(i), Some(servers)) => servers.resume(i)?,
            (Self::Restart(i), Some(servers)) => servers.restart_unready(i)?,
            (Self::Pause(i), _) | (Self::PauseServer(i), None) => stand.candidates[i].worker()?.resume()?,
            (Self::Restart(i), None) => stand.candidates[i].start(&mut stand.record)?,
        }
        Ok(())
    }
}

impl Holding {
    fn begin(strike: Strike, stand: &mut Stand) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let candidate = strike.blow.candidate(stand);
        let pid = candidate.map(|i| stand.candidates[i].who().map(|who| who.pid)).transpose()?;
        let fault = Fault {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            kind: strike.blow.kind().into(),
            target: format!("{:?}", strike.blow),
            pid,
            effect: strike.blow.effect(),
            // It has led a moment ago: its next check would be the one that shows it, and does not come.
            exercised: candidate.map(|i| {
                let led = stand.candidates[i].led_at();
                led.is_some_and(|at| clock::since(at) < Duration::from_millis(100))
            }),
            ..Fault::default()
        };
        stand.record.fault(&fault, Phase::Invoke);
        let weather = strike.blow.begin(stand)?;
        stand.record.fault(&fault, Phase::Info);
        Ok(Self { strike, fault, weather })
    }

    fn end(mut self, stand: &mut Stand) -> Result<()> {
        stand.record.fault(&self.fault, Phase::Info);
        if let Some(weather) = self.weather {
            // Around a process that was stopped all the time there is nothing to hit.
            self.fault.exercised = Some(weather.lift()? > 0);
        }
        self.strike.blow.end(stand)?;
        stand.record.fault(&self.fault, Phase::Ok);
        Ok(())
    }
}

/// Lets them loose, each at its time, and returns when all are over.
pub(crate) async fn strike(stand: &mut Stand, strikes: &[Strike]) -> Result<()> {
    let (began, mut due) = (clock::now_ns(), strikes.to_vec());
    let mut holding: Vec<Holding> = Vec::new();
    while !(due.is_empty() && holding.is_empty()) {
        let now = clock::since(began);
        for strike in due.extract_if(.., |strike| strike.from <= now) {
            let blow = Holding::begin(strike, stand);
            holding.push(blow.with_context(|| format!("{strike:?}"))?);
        }
        for blow in holding.extract_if(.., |blow| blow.strike.until <= now) {
            let strike = blow.strike;
            blow.end(stand).with_context(|| format!("the end of {strike:?}"))?;
        }
        stand.listen().await?;
    }
    Ok(())
}
