//! [`Machine`]: one machine with one process on it, which can crash, stop and start anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backend_raft::sim::{self, Arrivals, Connecting, Disk, Host, Ledger};
use election_core::clock::Clock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::{Builder, Runtime};

use crate::journal::{Journal, Pen};
use crate::moment::Timepiece;
use crate::net::{MILLI, Net};
use crate::roles::{self, Exit, Role};

/// What all machines of a run share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) net: Net,
    pub(crate) journal: Journal,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sink: crate::sink::Sink,
    pub(crate) settings: Arc<crate::plan::Settings>,
    pub(crate) tasks: roles::administrator::Tasks,
    /// Whether everybody is to end.
    pub(crate) stop: tokio::sync::watch::Receiver<roles::Orders>,
}

/// The machine as the member's seams see it.
pub(crate) struct Ground {
    machine: usize,
    shared: Shared,
    time: Arc<Timepiece>,
    disk: Disk,
    rng: Mutex<StdRng>,
    /// How long a write to the disk takes.
    write: Mutex<(u64, u64)>,
    /// Before this, by its own clock, the member gives no vote; if it may have given one in an earlier life.
    votes_from: Option<u64>,
    voted: Mutex<bool>,
}

impl Host for Ground {
    fn connect(&self, address: &str) -> Connecting {
        self.shared.net.connect(self.machine, address, self.time.clone())
    }

    fn listen(&self, address: &str) -> std::io::Result<Arrivals> {
        self.shared.net.listen(self.machine, address)
    }

    fn disk(&self) -> Disk {
        self.disk.clone()
    }

    fn disk_delay(&self) -> Duration {
        let (shortest, longest) = *self.write.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(rng.random_range(shortest..=longest))
    }

    fn ledger(&self) -> (Arc<Ledger>, u64) {
        (self.shared.ledger.clone(), self.machine as u64 + 1)
    }

    fn votes(&self) {
        *self.voted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if self.votes_from.is_some_and(|from| self.time.own() < from) {
            let says = format!("member {} votes right after its restart", self.machine + 1);
            self.shared.journal.violation(self.time.now(), says);
        }
    }
}

/// A process that runs.
struct Process {
    runtime: Runtime,
    ground: Arc<Ground>,
    exit: Arc<Mutex<Option<Exit>>>,
    pid: u32,
}

/// How a process is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGKILL: the machine goes on.
    Kill,
    /// The machine loses its power.
    PowerLoss,
}

/// A machine.
pub(crate) struct Machine {
    pub(crate) index: usize,
    pub(crate) role: Role,
    pub(crate) name: String,
    shared: Shared,
    time: Arc<Timepiece>,
    disk: Disk,
    /// How fast its clock goes.
    rate: f64,
    /// When its next millisecond begins, in true time and in its own.
    next: (f64, u64),
    /// It runs no process before.
    resumes: Option<(u64, bool)>,
    process: Option<Process>,
    incarnation: u32,
    write: (u64, u64),
    /// Whether an earlier process of it has voted.
    voted: bool,
    /// Whether it was a member once, and is to become one again with another disk.
    pub(crate) comes_back: bool,
    seed: u64,
}

impl Machine {
    pub(crate) fn new(index: usize, role: Role, shared: Shared, rate: f64, rng: &mut StdRng) -> Self {
        // No two machines were booted at the same moment.
        let own = rng.random_range(1_000_000..100_000_000) * MILLI;
        let phase = rng.random_range(0.0..1e6);
        let name = role.name(index);
        Self {
            index,
            role,
            name,
            shared,
            time: Arc::new(Timepiece::new(0, own)),
            disk: Disk::default(),
            rate,
            next: (phase, own),
            resumes: None,
            process: None,
            incarnation: 0,
            write: (MILLI / 10, MILLI),
            voted: false,
            comes_back: false,
            seed: rng.random(),
        }
    }

    /// Whether it never had a process.
    pub(crate) fn is_new(&self) -> bool {
        self.incarnation == 0
    }

    /// When its next millisecond begins; `None` while nothing runs.
    pub(crate) fn next(&self) -> Option<u64> {
        self.process.as_ref()?;
        Some((self.next.0 as u64).max(self.resumes.map_or(0, |(at, _)| at)))
    }

    /// The process that runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// How fast its disk is.
    pub(crate) fn set_disk(&mut self, write: (u64, u64)) {
        self.write = write;
        if let Some(process) = &self.process {
            *process.ground.write.lock().unwrap_or_else(PoisonError::into_inner) = write;
        }
    }

    /// Lets its clock go at this rate from now on.
    pub(crate) fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Brings its clock up to the true time `now`: it goes on while nothing runs.
    fn catch_up(&mut self, now: u64) -> u64 {
        let length = 1e6 / self.rate;
        let behind = ((now as f64 - self.next.0) / length).ceil().max(0.0);
        self.next.0 += behind * length;
        self.next.1 += behind as u64 * MILLI;
        behind as u64
    }

    /// Gives it a new disk: nothing of what was on the old one is left.
    pub(crate) fn replace_disk(&mut self) {
        self.disk = Disk::default();
        self.voted = false;
    }

    /// Starts a process.
    pub(crate) fn start(&mut self, now: u64, pid: u32) {
        self.catch_up(now);
        self.incarnation += 1;
        self.shared.net.boot(self.index);
        self.shared.ledger.restarts(self.index as u64 + 1);
        self.time.set(self.next.0 as u64, self.next.1);
        let embargo = self.shared.settings.raft.election_max.as_nanos() as u64;
        let ground = Arc::new(Ground {
            machine: self.index,
            shared: self.shared.clone(),
            time: self.time.clone(),
            disk: self.disk.clone(),
            rng: Mutex::new(StdRng::seed_from_u64(self.seed ^ u64::from(self.incarnation))),
            write: Mutex::new(self.write),
            votes_from: self.voted.then_some(self.next.1 + embargo),
            voted: Mutex::new(false),
        });
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        // Without I/O there is nothing that can fail.
        let runtime = runtime.expect("a runtime");
        let pen = Pen {
            journal: self.shared.journal.clone(),
            time: self.time.clone(),
            pid,
            id: self.name.clone(),
            incarnation: self.incarnation,
        };
        let exit = Arc::new(Mutex::new(None));
        let (done, seed) = (exit.clone(), self.seed.wrapping_add(u64::from(self.incarnation)));
        let life = roles::live(self.role, self.index, self.shared.clone(), pen, StdRng::seed_from_u64(seed));
        let clock: Arc<dyn Clock> = self.time.clone();
        let host: Arc<dyn Host> = ground.clone();
        election_core::sim::with_clock(clock, || {
            sim::within(host, || {
                runtime.spawn(async move {
                    let how = life.await;
                    *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
                });
            });
        });
        self.process = Some(Process { runtime, ground, exit, pid });
    }

    /// Runs the process for one of the machine's milliseconds; says how it has ended, if it has.
    pub(crate) fn run(&mut self) -> Option<Exit> {
        let mut leap = 0;
        if let Some((at, asleep)) = self.resumes.take() {
            leap = self.catch_up(at);
            if asleep {
                leap = 0;
            }
        }
        let process = self.process.as_ref()?;
        self.time.set(self.next.0 as u64, self.next.1);
        self.shared.net.deliver(self.index, self.time.now(), &self.time);
        let clock: Arc<dyn Clock> = self.time.clone();
        let host: Arc<dyn Host> = process.ground.clone();
        election_core::sim::with_clock(clock, || {
            sim::within(host, || {
                process.runtime.block_on(async {
                    if leap > 0 {
                        tokio::time::advance(Duration::from_millis(leap)).await;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                });
            });
        });
        self.next.0 += 1e6 / self.rate;
        self.next.1 += MILLI;
        let exit = process.exit.lock().unwrap_or_else(PoisonError::into_inner).take();
        if exit.is_some() {
            self.bury(true);
        }
        exit
    }

    /// Lets the process do nothing before the true time `until`; `asleep` with the whole machine, so that only its
    /// suspend-aware clock goes on.
    pub(crate) fn pause(&mut self, until: u64, asleep: bool) {
        self.resumes = Some((until, asleep));
    }

    /// Whether the process is stopped at the moment.
    pub(crate) fn is_paused(&self) -> bool {
        self.resumes.is_some()
    }

    /// Ends the process, if one runs; a power loss is one for the disk all the same.
    pub(crate) fn end(&mut self, how: End, now: u64) {
        self.time.set(now.max(self.time.now()), self.time.own());
        match how {
            End::Kill => {
                self.disk = self.disk.killed();
                self.bury(true);
            }
            End::PowerLoss => {
                self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                self.disk = self.disk.after_power_loss(self.seed);
                self.bury(false);
            }
        }
    }

    fn bury(&mut self, powered: bool) {
        let Some(process) = self.process.take() else { return };
        self.resumes = None;
        self.shared.net.gone(self.index, powered, self.time.now());
        self.voted |= *process.ground.voted.lock().unwrap_or_else(PoisonError::into_inner);
        let clock: Arc<dyn Clock> = self.time.clone();
        let host: Arc<dyn Host> = process.ground.clone();
        let runtime = process.runtime;
        election_core::sim::with_clock(clock, || sim::within(host, || drop(runtime)));
    }
}
