//! [`Story`]: a history told in milliseconds.

use std::collections::HashMap;
use std::time::Duration;

use crate::checker::{Bounds, Facts};
use crate::history::{Effect, Event, Fault, History, Op, Phase, View};

pub(super) const MS: u64 = 1_000_000;

/// A session lives that long without a renewal.
pub(super) const TTL: u64 = 1000;

/// How far a deadline lies ahead of the renewal: less than the TTL.
pub(super) const VALID: u64 = 900;

/// A history in the making. Every method takes the moment in milliseconds.
#[derive(Clone, Default)]
pub(super) struct Story {
    pub(super) events: Vec<Event>,
    seqs: HashMap<String, u64>,
    faults: u64,
}

/// One campaign in a story: whose, which, and with what token it is won.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of(pub(super) &'static str, pub(super) u64, pub(super) u64);

impl Story {
    pub(super) fn history(&self) -> History {
        History::from_events(self.events.clone())
    }

    /// TTL one second; takeover within two, everything else within half of one.
    pub(super) fn facts(&self) -> Facts {
        let half = Duration::from_millis(500);
        let ttl = Duration::from_millis(TTL);
        let bounds = Bounds { ttl, takeover: ttl * 2, handover: half, depose: half, observe: half };
        Facts::new("e", bounds)
    }

    pub(super) fn add(&mut self, id: &str, at: u64, event: Event) -> &mut Self {
        let seq = self.seqs.entry(id.to_owned()).or_default();
        self.events.push(Event {
            mono_ns: at * MS,
            boot_ns: at * MS,
            pid: pid(id),
            incarnation: 1,
            seq: *seq,
            id: id.to_owned(),
            // A fault concerns every election.
            election: if event.op == Op::Fault { String::new() } else { "e".to_owned() },
            ..event
        });
        *seq += 1;
        self
    }

    fn of(&mut self, Of(id, number, token): Of, at: u64, op: Op, phase: Phase) -> &mut Self {
        let token = (op != Op::Campaign || phase == Phase::Ok).then_some(token);
        self.add(id, at, Event { number: Some(number), token, ..Event::new(op, phase) })
    }

    pub(super) fn campaigns(&mut self, of: Of, at: u64) -> &mut Self {
        self.of(of, at, Op::Campaign, Phase::Invoke)
    }

    pub(super) fn wins(&mut self, of: Of, at: u64) -> &mut Self {
        self.of(of, at, Op::Campaign, Phase::Ok)
    }

    pub(super) fn cancels(&mut self, of: Of, at: u64) -> &mut Self {
        self.of(of, at, Op::Campaign, Phase::Info)
    }

    /// A successful check within that millisecond, with that deadline.
    pub(super) fn checks(&mut self, Of(id, number, token): Of, at: u64, valid_until: u64) -> &mut Self {
        self.add(
            id,
            at,
            Event {
                number: Some(number),
                token: Some(token),
                began_ns: Some(at * MS - 2000),
                clock_ns: Some(at * MS - 1000),
                valid_until: Some(valid_until * MS),
                ..Event::new(Op::Check, Phase::Ok)
            },
        )
    }

    pub(super) fn fails(&mut self, Of(id, number, token): Of, at: u64, reason: &str) -> &mut Self {
        self.add(
            id,
            at,
            Event {
                number: Some(number),
                token: Some(token),
                began_ns: Some(at * MS - 2000),
                clock_ns: Some(at * MS - 1000),
                reason: Some(reason.to_owned()),
                ..Event::new(Op::Check, Phase::Fail)
            },
        )
    }

    pub(super) fn resigns(&mut self, of: Of, at: u64) -> &mut Self {
        self.of(of, at, Op::Resign, Phase::Invoke).of(of, at, Op::Resign, Phase::Info).of(
            of,
            at + 1,
            Op::Resign,
            Phase::Ok,
        )
    }

    pub(super) fn drops(&mut self, of: Of, at: u64) -> &mut Self {
        self.of(of, at, Op::Drop, Phase::Invoke).of(of, at, Op::Drop, Phase::Ok)
    }

    /// Wins, and checks every 100 ms with a deadline that is renewed each time, the last time at `until`.
    pub(super) fn leads(&mut self, of: Of, from: u64, until: u64) -> &mut Self {
        self.wins(of, from);
        let mut at = from;
        while at < until {
            self.checks(of, at, at + VALID);
            at += 100;
        }
        self.checks(of, until, until + VALID)
    }

    /// Closes and says goodbye.
    pub(super) fn ends(&mut self, id: &str, at: u64) -> &mut Self {
        self.add(id, at, Event::new(Op::Close, Phase::Invoke))
            .add(id, at, Event::new(Op::Close, Phase::Ok))
            .add(id, at, Event::new(Op::Run, Phase::Ok))
    }

    pub(super) fn observes(&mut self, id: &str, number: u64, at: u64) -> &mut Self {
        self.add(id, at, Event { number: Some(number), ..Event::new(Op::Observe, Phase::Invoke) })
    }

    /// The leader of that campaign.
    pub(super) fn sees(&mut self, id: &str, number: u64, at: u64, Of(who, campaign, token): Of) -> &mut Self {
        let view = View::Elected { id: who.into(), value: format!("{who}/1/{campaign}"), token };
        self.views(id, number, at, view)
    }

    pub(super) fn views(&mut self, id: &str, number: u64, at: u64, view: View) -> &mut Self {
        let view = Some(view);
        self.add(id, at, Event { number: Some(number), view, ..Event::new(Op::Observe, Phase::Info) })
    }

    pub(super) fn looks_away(&mut self, id: &str, number: u64, at: u64) -> &mut Self {
        self.add(id, at, Event { number: Some(number), ..Event::new(Op::Observe, Phase::Ok) })
    }

    /// A fault on a process, surely active from one millisecond after its begin to one before its end.
    pub(super) fn fault(&mut self, kind: &str, effect: Effect, id: &str, from: u64, until: u64) -> &mut Self {
        self.fault_on(
            Fault { kind: kind.into(), effect, pid: Some(pid(id)), ..Fault::default() },
            from,
            until,
        )
    }

    pub(super) fn fault_on(&mut self, fault: Fault, from: u64, until: u64) -> &mut Self {
        self.faults += 1;
        let fault = Fault { number: self.faults, ..fault };
        let lines = [
            (from, Phase::Invoke),
            (from + 1, Phase::Info),
            (until.saturating_sub(1).max(from + 1), Phase::Info),
            (until.max(from + 2), Phase::Ok),
        ];
        for (at, phase) in lines {
            self.add("harness", at, Event { fault: Some(fault.clone()), ..Event::new(Op::Fault, phase) });
        }
        self
    }

    pub(super) fn look(&mut self, at: u64, tokens: &[u64]) -> &mut Self {
        let event = Event {
            records: Some(tokens.to_vec()),
            began_ns: Some(at * MS - 1000),
            ..Event::new(Op::Records, Phase::Info)
        };
        self.add("harness", at, event)
    }
}

/// Of an id's only start.
pub(super) fn pid(id: &str) -> u32 {
    id.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
}
