//! [`Run`]: the history of one election as the laws speak of it.

use super::claim::{Builder, Claim};
use super::clocks::Clocks;
use super::parse;
use crate::history::{Effect, Event, Fault, History, Op, View};

/// One start of one id.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub id: String,
    /// The how-manieth start.
    pub incarnation: u32,
    /// Its process id.
    pub pid: u32,
    /// Its first and its last line.
    pub lines: (u64, u64),
    /// When it ended by itself, or the first and the last moment at which it can have been killed.
    pub ended: Option<(u64, u64)>,
    /// When its coordinator was closed, and the service had confirmed it.
    pub closed: Option<u64>,
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Won, with this token.
    Won(u64),
    /// It failed.
    Failed,
    /// Its future was dropped.
    Dropped,
    /// Its process says nothing about its end.
    Open,
}

/// One campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The index of its process.
    pub process: usize,
    /// Its number there.
    pub number: u64,
    /// Before it began.
    pub began: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// When it had ended; if it is open, the end of its process or of the run.
    pub ended: u64,
    /// When the service had confirmed that its record is gone.
    pub gone: Option<u64>,
}

/// One observation.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The index of its process.
    pub process: usize,
    /// Before it began.
    pub began: u64,
    /// What was seen, and when at the latest.
    pub items: Vec<(u64, View)>,
    /// The last moment at which it was surely followed.
    pub ended: u64,
}

/// One fault, from before it began to when it was surely over.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What it is.
    pub fault: Fault,
    /// Before it began.
    pub began: u64,
    /// It was surely active between these two.
    pub active: Option<(u64, u64)>,
    /// When it was surely over; the end of the run if nobody says so.
    pub over: u64,
}

/// What the harness read in the service.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Before the question.
    pub began: u64,
    /// After the answer.
    pub ended: u64,
    /// The tokens, first come first.
    pub tokens: Vec<u64>,
}

/// The history of one election.
#[derive(Debug)]
pub struct Run<'h> {
    /// The events of the election, in the order of their stamps.
    pub events: Vec<&'h Event>,
    /// The index of the process of each event.
    pub writer: Vec<usize>,
    /// The processes.
    pub processes: Vec<Process>,
    /// The campaigns, in the order of their begin.
    pub campaigns: Vec<Campaign>,
    /// The claims, in the order of their tokens.
    pub claims: Vec<Claim>,
    /// The observations.
    pub streams: Vec<Stream>,
    /// The faults.
    pub troubles: Vec<Trouble>,
    /// The looks into the service.
    pub snapshots: Vec<Snapshot>,
    /// The first and the last stamp.
    pub span: (u64, u64),
}

impl<'h> Run<'h> {
    /// Reads the events of an election, and the faults: all but those that name another election, because two elections
    /// may have the same token.
    #[must_use]
    pub fn of(history: &'h History, election: &str) -> Self {
        let concerns = |event: &&Event| {
            event.election == election || (event.op == Op::Fault && event.election.is_empty())
        };
        let events: Vec<&Event> = history.events.iter().filter(concerns).collect();
        let span = (
            events.first().map_or(0, |event| event.earliest()),
            events.last().map_or(0, |event| event.mono_ns),
        );
        let troubles = parse::troubles(&events, span.1);
        let (processes, writer) = parse::processes(&events, &troubles);
        let clocks = Clocks::of(&events, &writer, processes.len());
        let mut claims = Builder::new(&clocks);
        for (index, (event, &process)) in events.iter().zip(&writer).enumerate() {
            claims.add(index, event, process);
        }
        Self {
            campaigns: parse::campaigns(&events, &writer, &processes, span.1),
            claims: claims.build(),
            streams: parse::streams(&events, &writer, &processes),
            snapshots: parse::snapshots(&events),
            troubles,
            events,
            writer,
            processes,
            span,
        }
    }

    /// `worker-2/1`: a process in a message.
    #[must_use]
    pub fn name(&self, process: usize) -> String {
        let process = &self.processes[process];
        format!("{}/{}", process.id, process.incarnation)
    }

    /// `12.345678 s`: a stamp in a message, from the beginning of the run.
    #[must_use]
    pub fn at(&self, stamp: u64) -> String {
        let nanos = i128::from(stamp) - i128::from(self.span.0);
        format!("{:.6} s", nanos as f64 / 1e9)
    }

    /// The process with that process id at that moment, or the one nearest to it.
    #[must_use]
    pub fn process_of(&self, pid: u32, at: u64) -> Option<usize> {
        parse::process_of(&self.processes, pid, at)
    }

    /// The campaign that a claim was won with.
    #[must_use]
    pub fn campaign_of(&self, claim: &Claim) -> Option<&Campaign> {
        let is_its =
            |campaign: &&Campaign| campaign.process == claim.process && campaign.number == claim.campaign;
        self.campaigns.iter().find(is_its)
    }

    /// The faults of administrators that may have taken this claim's record away. If one names the token, it did,
    /// also when the claim begins only afterwards: the word that it was won may be slower than the removal.
    pub fn depositions(&self, claim: &Claim) -> impl Iterator<Item = &Trouble> {
        let (token, from, until) = (claim.token, claim.start.earliest, claim.last_moment());
        self.troubles.iter().filter(move |trouble| {
            trouble.fault.effect == Effect::Deposes
                && trouble.began <= until
                && trouble.fault.token.map_or(trouble.over >= from, |deposed| deposed == token)
        })
    }

    /// Whether an administrator may have taken this claim's record away.
    #[must_use]
    pub fn is_deposed(&self, claim: &Claim) -> bool {
        self.depositions(claim).next().is_some()
    }

    /// Whether another fault was active between the begin of this one and `until`.
    #[must_use]
    pub fn is_joined(&self, trouble: &Trouble, until: u64) -> bool {
        self.troubles.iter().any(|other| {
            other.fault.number != trouble.fault.number && other.began <= until && other.over >= trouble.began
        })
    }

    /// When the record of a campaign has surely gone: when the service confirmed it, else `recovery` after the last
    /// moment at which anybody held it.
    #[must_use]
    pub fn gone_by(&self, campaign: &Campaign, recovery: u64) -> u64 {
        if let Some(gone) = campaign.gone {
            return gone;
        }
        let held = match campaign.outcome {
            Outcome::Failed | Outcome::Dropped => campaign.ended,
            Outcome::Open => self.processes[campaign.process].ended.map_or(self.span.1, |(_, at)| at),
            Outcome::Won(token) => {
                let claim = self.claims.iter().find(|claim| claim.token == token);
                let given_up = claim.and_then(|claim| claim.given_up);
                let killed = self.processes[campaign.process].ended.map(|(_, at)| at);
                given_up.or(killed).unwrap_or(self.span.1)
            }
        };
        held.saturating_add(recovery)
    }

    /// From when on no fault was active, nor had been `recovery` before, up to `until`; `None` if there is no such moment.
    #[must_use]
    pub fn settled(&self, until: u64, recovery: u64) -> Option<u64> {
        let troubles = self.troubles.iter().filter(|trouble| trouble.began <= until);
        let settled = troubles.map(|trouble| trouble.over.saturating_add(recovery)).max().unwrap_or(0);
        (settled <= until).then_some(settled)
    }

    /// Whether no fault was active, nor had been `recovery` before, between the two moments.
    #[must_use]
    pub fn is_quiet(&self, from: u64, until: u64, recovery: u64) -> bool {
        !self.troubles.iter().any(|trouble| trouble.began <= until && trouble.over + recovery >= from)
    }
}
