//! [`World`]: all machines of a run, and the order in which things happen to them.

mod faults;
mod members;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::checker::Left;
use testkit::history::{Event, Op, Phase};
use tokio::sync::watch;

use crate::journal::{Journal, Pen};
use crate::machine::{Machine, Shared};
use crate::moment::Timepiece;
use crate::net::{MILLI, Net, id_of};
use crate::outcome::{self, Outcome};
use crate::plan::{self, FAULTS_UNTIL, Settings};
use crate::roles::administrator::Tasks;
use crate::roles::{Exit, Orders};
use crate::sink::Sink;
use faults::Active;

/// How long everybody goes on after the last fault.
const CALM: u64 = 1_600 * MILLI;
/// How long contenders are given to end; then all others.
const LAST: u64 = 900 * MILLI;
/// How often the group's records are noted.
const LOOK_EVERY: u64 = 50 * MILLI;
/// A process that has failed is started again after so long, as an init system does.
const REVIVE: u64 = 40 * MILLI;

/// How many milliseconds of machines this process has run.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// How many milliseconds of simulated machines this process has run: it grows, or some task never waits.
#[must_use]
pub fn steps() -> u64 {
    STEPS.load(Ordering::Relaxed)
}

/// All machines of a run.
pub(crate) struct World {
    pub(crate) seed: u64,
    shared: Shared,
    machines: Vec<Machine>,
    rng: StdRng,
    orders: watch::Sender<Orders>,
    /// The harness's own.
    pen: Pen,
    now: u64,
    pids: u32,
    /// The faults that are active.
    active: Vec<Active>,
    /// Machines whose disk failed a moment ago, and until when that excuses them.
    excused: Vec<(usize, u64)>,
    /// Members that were told to go.
    leaving: BTreeSet<u64>,
    left: Vec<Vec<Left>>,
    /// Which machines start a process, and when.
    starts: Vec<(u64, usize)>,
}

impl World {
    pub(crate) fn new(seed: u64, loud: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let settings = Arc::new(Settings::draw(&mut rng));
        let (orders, stop) = watch::channel(Orders::default());
        let shared = Shared {
            net: Net::new(settings.roles.len(), rng.random()),
            journal: Journal::new(loud),
            ledger: Arc::default(),
            sink: Sink::new(rng.random()),
            settings: settings.clone(),
            tasks: Tasks::new(),
            stop,
        };
        let machine =
            |(index, role)| Machine::new(index, role, shared.clone(), settings.rates[index], &mut rng);
        let machines: Vec<_> = settings.roles.iter().copied().enumerate().map(machine).collect();
        // In any order, members and clients alike.
        let from_the_beginning = machines.iter().filter(|machine| !machine.role.comes_later());
        let starts = from_the_beginning.map(|it| (rng.random_range(0..100 * MILLI), it.index)).collect();
        let pen = Pen {
            journal: shared.journal.clone(),
            time: Arc::new(Timepiece::new(0, 0)),
            pid: 1,
            id: "harness".into(),
            incarnation: 1,
        };
        let world = Self {
            seed,
            shared,
            machines,
            rng,
            orders,
            pen,
            now: 0,
            pids: 1,
            active: vec![],
            excused: vec![],
            leaving: BTreeSet::new(),
            left: vec![],
            starts,
        };
        world.pen.note(&format!(
            "seed {seed}: {} founders, {} machines, session {:?}, drift {}, a snapshot every {} entries",
            settings.founders(),
            settings.roles.len(),
            settings.config.session.ttl,
            settings.config.session.drift,
            settings.snapshot_every
        ));
        world
    }

    /// The whole run.
    pub(crate) fn run(mut self) -> Outcome {
        let mut strikes = plan::plan(&mut self.rng).into_iter().peekable();
        let mut look = LOOK_EVERY;
        self.harness(Phase::Invoke);
        let mut phase = 0;
        let ends =
            [FAULTS_UNTIL, FAULTS_UNTIL + CALM, FAULTS_UNTIL + CALM + LAST, FAULTS_UNTIL + CALM + 2 * LAST];
        loop {
            let strike = strikes.peek().map_or(u64::MAX, |strike| strike.at);
            let (due, revival) = (self.due(), self.revival());
            let process = self.machines.iter().filter_map(|it| Some((it.next()?, it.index))).min();
            let window = process.map_or(u64::MAX, |(at, _)| at);
            let next = [strike, due, revival, look, ends[phase], window].into_iter().min().unwrap_or(0);
            self.now = next;
            self.pen.time.set(next, 0);
            self.shared.sink.work(next);
            if next == ends[phase] {
                phase += 1;
                if !self.turn(phase) {
                    break;
                }
            } else if next == due {
                self.lift_due();
            } else if next == strike {
                if let Some(strike) = strikes.next() {
                    self.strike(&strike);
                }
            } else if next == revival {
                self.revive();
            } else if next == look {
                self.look();
                look += LOOK_EVERY;
            } else if let Some((_, index)) = process {
                self.step(index);
            }
        }
        self.harness(Phase::Ok);
        outcome::judge(self.seed, &self.shared, self.left, self.now)
    }

    /// What is to change when a phase of the run has ended; false at the end of the last.
    fn turn(&mut self, phase: usize) -> bool {
        match phase {
            // Every fault ends by itself.
            1 => {}
            2 => self.order(|orders| orders.contenders = true),
            3 => {
                self.left = outcome::what_is_left(&self.shared);
                self.order(|orders| orders.all = true);
            }
            _ => return false,
        }
        true
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    fn harness(&self, phase: Phase) {
        for election in &self.shared.settings.elections {
            self.pen.record(election.as_str(), Event::new(Op::Run, phase));
        }
    }

    /// Notes the records of every election.
    fn look(&self) {
        for election in &self.shared.settings.elections {
            let records = self.shared.ledger.records(election.as_str());
            let tokens = records.into_iter().filter_map(|(token, ..)| token).collect();
            let event = Event {
                records: Some(tokens),
                began_ns: Some(self.now),
                ..Event::new(Op::Records, Phase::Info)
            };
            self.pen.record(election.as_str(), event);
        }
    }

    fn revival(&self) -> u64 {
        self.starts.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX)
    }

    fn revive(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.starts.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, index) in due {
            if self.machines[index].pid().is_none() {
                self.pids += 1;
                self.machines[index].start(now, self.pids);
            }
        }
    }

    /// Lets one machine run for one of its milliseconds.
    fn step(&mut self, index: usize) {
        STEPS.fetch_add(1, Ordering::Relaxed);
        let exit = self.machines[index].run();
        if self.machines[index].disk().is_dead() {
            self.power_is_gone(index);
            return;
        }
        let orders = *self.orders.borrow();
        match exit {
            None => {}
            Some(Exit::Done) => {
                self.order(|orders| {
                    orders.drain.take_if(|drained| *drained == index);
                });
                // Drained: another one takes its place.
                if !orders.all && !orders.contenders && !self.is_down(index) {
                    self.starts.push((self.now + REVIVE, index));
                }
            }
            Some(Exit::Failed(why)) => {
                let name = self.machines[index].name.clone();
                if self.shared.ledger.has_left(id_of(index)) {
                    self.pen.note(&format!("{name} was removed, and ends: {why}"));
                    self.try_again_under_the_same_id(index);
                    return;
                }
                if self.may_fail(index) {
                    self.pen.note(&format!("{name} ends: {why}"));
                } else {
                    self.shared.journal.violation(self.now, format!("{name} cannot go on: {why}"));
                }
                if !self.is_down(index) {
                    self.starts.push((self.now + REVIVE, index));
                }
            }
        }
    }
}
