//! [`Record`]: what the candidates said and what was done to them, as the checker of `testkit` wants to have it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::clock;
use serde_json::Value;
use testkit::checker::{self, Bounds, Exercise, Facts, Requirement, Verdict};
use testkit::history::{Event, Fault, History, Op, Phase};

/// The election that all contend in.
pub(crate) const ELECTION: &str = "storm";

/// Nothing here is about how fast anything is: whoever takes longer has found a defect.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Who says something.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) id: String,
    pub(crate) incarnation: u32,
    pub(crate) pid: u32,
}

/// The lines so far.
pub(crate) struct Record {
    events: Vec<Event>,
    harness: Who,
    /// Why a leadership ended, by its token: a check that fails does not say.
    ends: HashMap<u64, String>,
}

impl Record {
    pub(crate) fn new() -> Self {
        let harness = Who { id: "harness".into(), incarnation: 1, pid: std::process::id() };
        Self { events: Vec::new(), harness, ends: HashMap::new() }
    }

    /// A line of the harness about a fault, stamped now.
    pub(crate) fn fault(&mut self, fault: &Fault, phase: Phase) {
        let event = Event { fault: Some(fault.clone()), ..Event::new(Op::Fault, phase) };
        self.add(&self.harness.clone(), clock::now_ns(), event);
    }

    /// A campaign that was won, and when its candidate was told to campaign. The token is its number: the driver has
    /// no other.
    pub(crate) fn won(&mut self, who: &Who, told: u64, leader: &Value) -> Result<()> {
        let (token, t) = (number(leader, "token")?, number(leader, "t")?);
        for (phase, at) in [(Phase::Invoke, told), (Phase::Ok, t)] {
            self.add(who, at, about(token, Op::Campaign, phase));
        }
        Ok(())
    }

    /// A check. What it says is true for the moment `t` before it, and it promises no more than there is.
    pub(crate) fn checked(&mut self, who: &Who, check: &Value) -> Result<()> {
        let (token, t) = (number(check, "token")?, number(check, "t")?);
        if token == 0 {
            return Ok(());
        }
        let ok = check["ok"].as_bool().context("a check without an answer")?;
        let mut event = about(token, Op::Check, if ok { Phase::Ok } else { Phase::Fail });
        if ok {
            event.began_ns = Some(t);
            event.clock_ns = Some(t);
            event.valid_until = Some(t + number(check, "valid_for_ns")?);
        }
        self.add(who, t, event);
        Ok(())
    }

    /// A leadership that was lost.
    pub(crate) fn lost(&mut self, who: &Who, lost: &Value) -> Result<()> {
        let (token, t) = (number(lost, "token")?, number(lost, "t")?);
        let reason = lost["reason"].as_str().context("a loss without a reason")?;
        self.ends.insert(token, reason.into());
        self.add(who, t, Event { reason: Some(reason.into()), ..about(token, Op::Lost, Phase::Info) });
        Ok(())
    }

    /// A leadership that was resigned.
    pub(crate) fn resigned(&mut self, who: &Who, token: u64, resigned: &Value) -> Result<()> {
        let (t0, t) = (number(resigned, "t0")?, number(resigned, "t")?);
        self.ends.insert(token, "Closed".into());
        for (phase, at) in [(Phase::Invoke, t0), (Phase::Info, t), (Phase::Ok, t)] {
            self.add(who, at, about(token, Op::Resign, phase));
        }
        Ok(())
    }

    /// The first line of a process.
    pub(crate) fn begun(&mut self, who: &Who) {
        self.add(who, clock::now_ns(), Event::new(Op::Run, Phase::Invoke));
    }

    fn add(&mut self, who: &Who, at: u64, event: Event) {
        let seq = self.events.len() as u64;
        let Who { id, incarnation, pid } = who.clone();
        // All is on one clock, that of the line protocol.
        let (mono_ns, boot_ns, election) = (at, at, ELECTION.into());
        self.events.push(Event { mono_ns, boot_ns, election, id, incarnation, pid, seq, ..event });
    }

    /// Whether all that was promised was kept.
    ///
    /// # Errors
    /// With what was not, or if the faults were none.
    pub(crate) fn judge(mut self, ttl: Duration, required: Vec<Requirement>) -> Result<()> {
        for event in &mut self.events {
            if (event.op, event.phase) == (Op::Check, Phase::Fail) {
                event.reason = event.token.and_then(|token| self.ends.get(&token).cloned());
            }
        }
        let (takeover, handover, depose, observe) = (PATIENCE, PATIENCE, PATIENCE, PATIENCE);
        let bounds = Bounds { ttl, takeover, handover, depose, observe };
        let facts = Facts { required, ..Facts::new(ELECTION, bounds) };
        let report = checker::check(&History::from_events(self.events), &facts);
        ensure!(report.verdict() == Verdict::Passed, "{report}");
        println!("{report}");
        Ok(())
    }
}

/// What a run must have exercised to count: so many faults of a kind.
pub(crate) fn required(kind: &str, times: usize, exercise: Exercise) -> Requirement {
    Requirement { kind: kind.into(), times, exercise }
}

fn about(token: u64, op: Op, phase: Phase) -> Event {
    Event { token: Some(token), number: Some(token), ..Event::new(op, phase) }
}

/// A number that the line protocol promises.
pub(crate) fn number(event: &Value, field: &str) -> Result<u64> {
    event[field].as_u64().with_context(|| format!("no {field} in {event}"))
}
