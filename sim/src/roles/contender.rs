//! Contending: as the testkit's contender does, in a process that is simulated.

use std::pin::pin;
use std::time::Duration;

use election_core::clock::Instant;
use election_core::{Candidate, ElectionName, Elector, Leadership, LeadershipHandle};
use futures::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use testkit::contender::Leave;
use testkit::history::{Event, Op, Phase};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{Role, is_over, told};
use crate::journal::Pen;
use crate::machine::Shared;

/// How long a resign may take, whatever the group does. Longer than any session of a run.
const RESIGN_WITHIN: Duration = Duration::from_secs(5);

/// One candidate in one election.
pub(super) struct Contender<'a> {
    election: &'a ElectionName,
    machine: usize,
    shared: Shared,
    pen: Pen,
    rng: StdRng,
    campaigns: u64,
}

impl<'a> Contender<'a> {
    pub(super) fn new(
        election: &'a ElectionName,
        machine: usize,
        shared: Shared,
        pen: Pen,
        rng: StdRng,
    ) -> Self {
        Self { election, machine, shared, pen, rng, campaigns: 0 }
    }

    fn record(&self, event: Event) {
        self.pen.record(self.election.as_str(), event);
    }

    fn campaign(&self, phase: Phase) -> Event {
        Event { number: Some(self.campaigns), ..Event::new(Op::Campaign, phase) }
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    async fn over(&self) {
        told(&mut self.shared.stop.clone(), |orders| is_over(Role::Contender, self.machine, orders)).await;
    }

    fn is_over(&self) -> bool {
        is_over(Role::Contender, self.machine, &self.shared.stop.borrow())
    }

    /// Campaign after campaign, until it is told to end.
    pub(super) async fn run(mut self, elector: &dyn Elector) {
        while !self.is_over() {
            self.campaigns += 1;
            let value = format!("{}/{}/{}", self.pen.id, self.pen.incarnation, self.campaigns);
            let Ok(candidate) = Candidate::new(&self.pen.id).and_then(|it| it.with_value(value)) else {
                return;
            };
            self.record(self.campaign(Phase::Invoke));
            let cancel = self.rng.random_bool(0.2);
            let patience = self.millis(0..300);
            let ended = tokio::select! {
                ended = elector.campaign(candidate) => ended,
                () = sleep(patience), if cancel => {
                    self.record(Event { reason: Some("cancelled".into()), ..self.campaign(Phase::Info) });
                    continue;
                }
                () = self.over() => {
                    self.record(Event { reason: Some("stopped".into()), ..self.campaign(Phase::Info) });
                    return;
                }
            };
            match ended {
                Ok(leadership) => self.lead(leadership).await,
                Err(error) => {
                    let (reason, note) = (Some(format!("{:?}", error.kind())), Some(error.to_string()));
                    self.record(Event { reason, note, ..self.campaign(Phase::Fail) });
                    let pause = self.millis(2..40);
                    sleep(pause).await;
                }
            }
        }
    }

    /// From the win to the end of one leadership.
    async fn lead(&mut self, leadership: Leadership) {
        let handle = leadership.handle();
        let token = Some(handle.token().get());
        let (clock_ns, valid_until) =
            (Some(handle.now().as_nanos()), handle.valid_until().ok().map(Instant::as_nanos));
        self.record(Event { token, clock_ns, valid_until, ..self.campaign(Phase::Ok) });
        let (hold, leave) = (self.millis(5..500), Leave::draw(&mut self.rng, 0.6, 0.2));
        let (checks, units) = (self.millis(2..6), self.millis(4..30));
        let lost = tokio::select! {
            lost = self.hold(&handle, checks, hold, leave) => lost,
            () = self.work(&handle, units) => true,
        };
        // A lost leadership is given up, too: it must harm nobody.
        let leave = if lost || leave == Leave::Stay { Leave::draw(&mut self.rng, 0.5, 0.5) } else { leave };
        if leave == Leave::Drop {
            self.record(self.of(&handle, Op::Drop, Phase::Invoke));
            drop(leadership);
            self.record(self.of(&handle, Op::Drop, Phase::Ok));
            self.check(&handle);
            return;
        }
        self.record(self.of(&handle, Op::Resign, Phase::Invoke));
        let mut resign = pin!(leadership.resign());
        // Begun, and mostly not over: the claim has ended by now.
        let early = resign.as_mut().now_or_never();
        self.record(self.of(&handle, Op::Resign, Phase::Info));
        self.check(&handle);
        let resigned = match early {
            Some(resigned) => Some(resigned),
            None => timeout(RESIGN_WITHIN, resign).await.ok(),
        };
        self.record(match resigned {
            Some(Ok(())) => self.of(&handle, Op::Resign, Phase::Ok),
            Some(Err(error)) => {
                let (reason, note) = (Some(format!("{:?}", error.kind())), Some(error.to_string()));
                Event { reason, note, ..self.of(&handle, Op::Resign, Phase::Fail) }
            }
            None => Event { reason: Some("hangs".into()), ..self.of(&handle, Op::Resign, Phase::Info) },
        });
    }

    /// Checks until the leadership is lost, which is true then, or is to be given up.
    async fn hold(&self, handle: &LeadershipHandle, every: Duration, hold: Duration, leave: Leave) -> bool {
        let mut lost = pin!(handle.lost().fuse());
        let mut told = false;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = async {
            if leave == Leave::Stay {
                self.over().await;
            } else {
                tokio::select! {
                    () = sleep(hold) => {}
                    () = self.over() => {}
                }
            }
        };
        let mut end = pin!(end);
        loop {
            tokio::select! {
                loss = &mut lost, if !told => {
                    told = true;
                    self.record(Event {
                        reason: Some(format!("{loss:?}")),
                        ..self.of(handle, Op::Lost, Phase::Info)
                    });
                }
                _ = ticks.tick() => {
                    if !self.check(handle) {
                        return true;
                    }
                }
                () = &mut end => return false,
            }
        }
    }

    /// Does one unit after the other. Reads which is next and writes it down as done: two requests, so that whatever
    /// happens in between is caught by the fence and by nothing else.
    async fn work(&self, handle: &LeadershipHandle, every: Duration) {
        let (sink, time) = (&self.shared.sink, &self.pen.time);
        let writer = format!("{}/{}", self.pen.id, self.pen.incarnation);
        let token = handle.token();
        while self.check(handle) {
            let next = sink.send(time.now(), self.election, token, None, &writer);
            if let Ok(Ok(unit)) = next.await {
                let event = |phase| Event { unit: Some(unit), ..self.of(handle, Op::Unit, phase) };
                self.record(event(Phase::Invoke));
                let written = sink.send(time.now(), self.election, token, Some(unit), &writer);
                self.record(match written.await {
                    Ok(Ok(_)) => event(Phase::Ok),
                    Ok(Err(())) => Event { reason: Some("fenced".into()), ..event(Phase::Fail) },
                    Err(_) => event(Phase::Info),
                });
            }
            sleep(every).await;
        }
    }

    /// An event of a leadership.
    fn of(&self, handle: &LeadershipHandle, op: Op, phase: Phase) -> Event {
        let token = Some(handle.token().get());
        Event { token, number: Some(self.campaigns), ..Event::new(op, phase) }
    }

    /// Checks, and writes the check down with the clock before it.
    fn check(&self, handle: &LeadershipHandle) -> bool {
        let began = self.pen.time.now();
        let clock = handle.now();
        let checked = handle.check();
        let valid_until = handle.valid_until().ok().filter(|_| checked.is_ok());
        self.record(Event {
            began_ns: Some(began),
            clock_ns: Some(clock.as_nanos()),
            valid_until: valid_until.map(Instant::as_nanos),
            reason: checked.err().map(|loss| format!("{loss:?}")),
            ..self.of(handle, Op::Check, if checked.is_ok() { Phase::Ok } else { Phase::Fail })
        });
        checked.is_ok()
    }
}
