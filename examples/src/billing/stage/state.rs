//! What the stage knows from the reports.

use std::collections::HashSet;
use std::time::Duration;

use election_core::clock::Instant;

use super::cast::name;
use super::child::{Event, What, Who};
use super::plan::LeaderFault;
use crate::billing::provider::script::{Fault, Script};
use crate::billing::wire::Report;

/// A worker's first successful check of a leadership.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) worker: usize,
    pub(super) token: u64,
    pub(super) at: Instant,
}

/// Whom the next fault is for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) worker: usize,
    pub(super) token: u64,
    /// The invoice that is charged and not yet answered; `None` if nothing is left to charge.
    pub(super) invoice: Option<String>,
}

/// A write that came from a leader of the past, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) worker: usize,
    pub(super) token: u64,
    pub(super) invoice: Option<String>,
}

/// Everything that was reported so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) settled: u64,
    pub(super) total: u64,
    /// In the order of their tokens, which is that of their times, too.
    pub(super) claims: Vec<Claim>,
    /// The highest token that the fence is known to have seen.
    pub(super) began: u64,
    held: Option<Target>,
    idle: Option<u64>,
    ended: HashSet<u64>,
    ready: HashSet<(usize, u32)>,
    pub(super) gone: HashSet<usize>,
    pub(super) listening: bool,
    pub(super) fenced: Vec<Late>,
    pub(super) settled_by: HashSet<(u64, String)>,
    pub(super) takeovers: Vec<(LeaderFault, Duration)>,
    pub(super) unknown: u64,
    pub(super) slow: u64,
    pub(super) lost_answers: u64,
    pub(super) provider_deaths: u32,
    /// Processes that were started anew without the stage having killed them.
    pub(super) replaced: u32,
    /// The provider's script, less the steps that it has carried out: for its next life.
    pub(super) script: Script,
    pub(super) recount: bool,
    pub(super) failed: Option<String>,
}

impl State {
    pub(super) fn new(settled: u64, total: u64) -> Self {
        Self { settled, total, ..Self::default() }
    }

    /// Takes a report in; what a person should read about it.
    pub(super) fn apply(&mut self, event: &Event) -> Option<String> {
        match (&event.what, event.who) {
            (What::Said(report), Who::Worker(worker)) => self.worker_said(worker, event.life, report),
            (What::Said(report), Who::Provider) => self.provider_said(report),
            (What::Gone, Who::Worker(worker)) => {
                self.gone.insert(worker);
                None
            }
            (What::Gone, Who::Provider) => None,
        }
    }

    fn worker_said(&mut self, worker: usize, life: u32, report: &Report) -> Option<String> {
        match report {
            Report::Ready => {
                self.ready.insert((worker, life));
            }
            Report::Claimed { token, at } => {
                let claim = Claim { worker, token: *token, at: Instant::from_nanos(*at) };
                let place = self.claims.partition_point(|other| other.token < *token);
                self.claims.insert(place, claim);
                self.recount = true;
                return Some(format!("{} leads with token {token}", name(worker)));
            }
            Report::Began { token } => self.began = self.began.max(*token),
            Report::Idle { token } => {
                self.idle = Some(*token);
                self.recount = true;
            }
            Report::Ended { token, .. } => {
                self.ended.insert(*token);
            }
            Report::Settled { invoice, token } => {
                self.settled += 1;
                self.settled_by.insert((*token, invoice.clone()));
            }
            Report::Unknown { .. } => self.unknown += 1,
            Report::Fenced { invoice, token, highest } => {
                self.fenced.push(Late { worker, token: *token, invoice: invoice.clone() });
                let what = invoice.as_deref().unwrap_or("a read");
                return Some(format!(
                    "the fence refuses {what} from {}: token {token} < {highest}",
                    name(worker)
                ));
            }
            Report::Failed { error } => self.failed = Some(error.clone()),
            Report::Charged { .. }
            | Report::Listening { .. }
            | Report::Held { .. }
            | Report::Faulty { .. } => {}
        }
        None
    }

    fn provider_said(&mut self, report: &Report) -> Option<String> {
        match report {
            Report::Listening { .. } => self.listening = true,
            Report::Held { invoice, worker, token } => {
                let worker = worker.rsplit_once('-').and_then(|(_, number)| number.parse::<usize>().ok())?;
                let invoice = Some(invoice.clone());
                self.held = Some(Target { worker: worker.checked_sub(1)?, token: *token, invoice });
            }
            Report::Faulty { fault } => {
                self.script.pop();
                return self.provider_fault(*fault);
            }
            _ => {}
        }
        None
    }

    fn provider_fault(&mut self, fault: Fault) -> Option<String> {
        let line = match fault {
            Fault::Hold => return None,
            Fault::Slow { millis } => {
                self.slow += 1;
                format!("the provider is slow: {millis} ms")
            }
            Fault::LoseAnswer => {
                self.lost_answers += 1;
                "the provider charges and loses its answer".into()
            }
            Fault::DieBefore => {
                self.provider_deaths += 1;
                "the provider dies before it charges".into()
            }
            Fault::DieAfter => {
                self.provider_deaths += 1;
                "the provider charges and dies without an answer".into()
            }
        };
        Some(line)
    }

    /// Whom the next fault is for: the leader between a charge and its answer, or, with nothing left to
    /// charge, the leader at rest.
    pub(super) fn target(&mut self) -> Option<Target> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let leader = self.leader()?;
        self.nothing_left().then_some(Target { worker: leader.worker, token: leader.token, invoice: None })
    }

    /// The latest claim, if it was not reported to be over.
    pub(super) fn leader(&self) -> Option<Claim> {
        self.claims.last().copied().filter(|claim| !self.ended.contains(&claim.token))
    }

    /// The first claim after the one with `token`.
    pub(super) fn successor(&self, token: u64) -> Option<Claim> {
        self.claims.iter().copied().find(|claim| claim.token > token)
    }

    /// Whether the present leader has found nothing unpaid.
    pub(super) fn nothing_left(&self) -> bool {
        self.idle.is_some() && self.leader().map(|leader| leader.token) == self.idle
    }

    pub(super) fn has_ended(&self, token: u64) -> bool {
        self.ended.contains(&token)
    }

    pub(super) fn is_ready(&self, worker: usize, life: u32) -> bool {
        self.ready.contains(&(worker, life))
    }

    /// Whether the write of `target`'s answer was refused, or went through.
    pub(super) fn is_written_or_fenced(&self, target: &Target) -> bool {
        let Target { worker, token, invoice } = target.clone();
        let through = invoice.as_ref().is_some_and(|id| self.settled_by.contains(&(token, id.clone())));
        through || self.fenced.contains(&Late { worker, token, invoice })
    }

    pub(super) fn all_gone(&self, workers: usize) -> bool {
        self.gone.len() == workers
    }

    /// For the error of a wait that was given up.
    pub(super) fn summary(&self) -> String {
        let leader = match self.claims.last() {
            Some(claim) => format!("{} claimed last, with token {}", name(claim.worker), claim.token),
            None => "nobody has led".into(),
        };
        format!("{} of {} invoices are settled, {leader}", self.settled, self.total)
    }
}
