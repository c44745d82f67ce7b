//! What strikes, and how it is lifted again.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::history::{Effect, Fault, Phase};

use super::World;
use crate::machine::End;
use crate::net::{MILLI, Weather};
use crate::plan::{Aim, FAULTS_UNTIL, Kind, Strike, extreme};

/// A disk's ordinary speed.
const DISK: (u64, u64) = (MILLI / 10, MILLI);
/// A member whose disk has failed may take so long to notice.
const NOTICES: u64 = 200 * MILLI;

/// A fault that is active.
pub(super) struct Active {
    until: u64,
    fault: Fault,
    kind: Kind,
    machine: usize,
    /// What it does to links: from whom, to whom, what.
    links: Vec<(usize, usize, Change)>,
}

#[derive(Clone, Copy)]
enum Change {
    Cut,
    Delay(u64, u64),
    Loss(f64),
}

impl Change {
    fn make(self, weather: &mut Weather) {
        match self {
            Self::Cut => weather.cut = true,
            Self::Delay(shortest, longest) => weather.delay = (shortest, longest),
            Self::Loss(loss) => weather.loss = loss,
        }
    }
}

impl World {
    /// When the next fault is to be lifted.
    pub(super) fn due(&self) -> u64 {
        self.active.iter().map(|active| active.until).min().unwrap_or(u64::MAX)
    }

    /// Whom that fault hits, if there is somebody.
    fn target(&self, strike: &Strike) -> Option<usize> {
        let fits = |index: &usize| {
            let machine = &self.machines[*index];
            (machine.role.is_member() || !strike.kind.hits_members_only())
                && machine.pid().is_some()
                && !machine.is_paused()
        };
        let found = match strike.aim {
            Aim::RaftLeader => self.shared.ledger.leader().map(|(_, member)| member as usize - 1),
            Aim::Claimant => {
                let pid = self.shared.journal.claimant().map(|event| event.pid);
                self.machines.iter().position(|machine| pid.is_some() && machine.pid() == pid)
            }
            Aim::Anybody(some) => {
                let all: Vec<usize> = (0..self.machines.len()).filter(fits).collect();
                all.get(some % all.len().max(1)).copied()
            }
        };
        found.filter(fits)
    }

    /// Lets a fault begin.
    pub(super) fn strike(&mut self, strike: &Strike) {
        if strike.kind.is_intended() {
            return self.intend(strike);
        }
        let Some(index) = self.target(strike) else { return };
        let mut rng = StdRng::seed_from_u64(strike.seed);
        let until = (strike.at + strike.lasts).min(FAULTS_UNTIL);
        match strike.kind {
            Kind::PowerLoss => self.crash(index, End::PowerLoss, strike.kind.name(), until),
            Kind::Kill => self.crash(index, End::Kill, strike.kind.name(), until),
            kind => {
                let links = self.links(index, kind, &mut rng);
                let effect = match kind {
                    Kind::Pause | Kind::Suspend => Effect::Pauses,
                    _ => Effect::Disturbs,
                };
                let fault = self.begin(index, kind.name(), effect);
                self.active.push(Active { until, fault, kind, machine: index, links });
                self.affect(index, kind, until, &mut rng);
            }
        }
    }

    /// What a fault does to a machine.
    fn affect(&mut self, index: usize, kind: Kind, until: u64, rng: &mut StdRng) {
        let machine = &mut self.machines[index];
        match kind {
            Kind::Pause => machine.pause(until, false),
            Kind::Suspend => machine.pause(until, true),
            Kind::Drain => self.order(|orders| orders.drain = Some(index)),
            Kind::PowerLossInWrite => machine.disk().lose_power_at(rng.random_range(1..40)),
            Kind::SlowDisk => machine.set_disk((5 * MILLI, rng.random_range(10..150) * MILLI)),
            Kind::FullDisk => machine.disk().set_full(true),
            Kind::ClockRate => {
                machine.set_rate(extreme(rng, self.shared.settings.config.session.drift / 2.0))
            }
            _ => self.forecast(),
        }
    }

    /// The links that a fault concerns, and what it does to them.
    fn links(&self, index: usize, kind: Kind, rng: &mut StdRng) -> Vec<(usize, usize, Change)> {
        let all = self.machines.len();
        let members: Vec<usize> = (0..all).filter(|index| self.machines[*index].role.is_member()).collect();
        let peers: Vec<usize> = match kind {
            // A member that is cut off from the others, and not from its clients, is the harder case.
            Kind::Isolate | Kind::OneWay if members.contains(&index) && rng.random_bool(0.5) => {
                members.clone()
            }
            _ => (0..all).collect(),
        };
        let around = |change: Change| {
            let peers = peers.iter().filter(|peer| **peer != index);
            peers.flat_map(|peer| [(index, *peer, change), (*peer, index, change)]).collect::<Vec<_>>()
        };
        let everywhere = |change: Change| {
            (0..all).flat_map(|from| (0..all).map(move |to| (from, to, change))).collect::<Vec<_>>()
        };
        match kind {
            Kind::Isolate => around(Change::Cut),
            Kind::OneWay => {
                let outgoing: bool = rng.random();
                around(Change::Cut).into_iter().filter(|(from, ..)| (*from == index) == outgoing).collect()
            }
            Kind::Mute => around(Change::Cut).into_iter().filter(|(from, ..)| *from == index).collect(),
            Kind::LateAnswers => {
                let longest = rng.random_range(10..80) * MILLI;
                let late = around(Change::Delay(longest / 2, longest));
                late.into_iter().filter(|(from, ..)| *from != index).collect()
            }
            Kind::Bridge => {
                let side: Vec<bool> = (0..all).map(|_| rng.random()).collect();
                let others = members.iter().copied().filter(|member| *member != index);
                let pairs = others.clone().flat_map(|from| others.clone().map(move |to| (from, to)));
                let three = self.shared.ledger.members().len() == 3;
                let cut = pairs.filter(|(from, to)| three && from != to || side[*from] != side[*to]);
                cut.map(|(from, to)| (from, to, Change::Cut)).collect()
            }
            Kind::Slow | Kind::Loss => {
                let change = if kind == Kind::Slow {
                    let longest = rng.random_range(4..120) * MILLI;
                    Change::Delay(longest / 4, longest)
                } else {
                    Change::Loss(rng.random_range(0.02..0.4))
                };
                if rng.random_bool(0.4) { everywhere(change) } else { around(change) }
            }
            _ => Vec::new(),
        }
    }

    /// Makes the weather what the active faults say.
    fn forecast(&self) {
        let (all, net) = (self.machines.len(), &self.shared.net);
        (0..all * all).for_each(|link| net.weather(link / all, link % all, |it| *it = Weather::default()));
        for (from, to, change) in self.active.iter().flat_map(|active| &active.links) {
            net.weather(*from, *to, |weather| change.make(weather));
        }
    }

    fn begin(&mut self, index: usize, kind: &str, effect: Effect) -> Fault {
        let fault = Fault {
            number: self.shared.journal.number(),
            kind: kind.to_owned(),
            target: self.machines[index].name.clone(),
            pid: self.machines[index].pid(),
            effect,
            ..Fault::default()
        };
        self.shared.journal.fault(self.now, &fault, Phase::Invoke);
        self.shared.journal.fault(self.now, &fault, Phase::Info);
        fault
    }

    /// Writes down that something disturbs the run until then, around that machine.
    pub(super) fn disturb(&mut self, index: usize, kind: Kind, until: u64) {
        let fault = self.begin(index, kind.name(), Effect::Disturbs);
        self.active.push(Active { until, fault, kind, machine: index, links: Vec::new() });
    }

    /// Ends a process from outside, and starts another one at `until`.
    fn crash(&mut self, index: usize, how: End, kind: &str, until: u64) {
        let fault = self.begin(index, kind, Effect::Kills);
        self.machines[index].end(how, self.now);
        self.shared.journal.fault(self.now, &fault, Phase::Ok);
        self.starts.push((until, index));
        // The kill is over at once; what it does to the others is not.
        let fault = self.begin(index, "down", Effect::Disturbs);
        self.active.push(Active { until, fault, kind: Kind::Kill, machine: index, links: Vec::new() });
    }

    /// The power that was to go in the middle of a write has gone.
    pub(super) fn power_is_gone(&mut self, index: usize) {
        let is_its = |active: &mut Active| active.kind == Kind::PowerLossInWrite && active.machine == index;
        let mut until = self.now;
        for active in self.active.extract_if(.., is_its) {
            self.shared.journal.fault(self.now, &active.fault, Phase::Ok);
            until = active.until;
        }
        self.crash(index, End::PowerLoss, "power-loss", until);
    }

    /// Lifts what is due.
    pub(super) fn lift_due(&mut self) {
        let now = self.now;
        let due: Vec<Active> = self.active.extract_if(.., |active| active.until <= now).collect();
        for active in due {
            self.shared.journal.fault(now, &active.fault, Phase::Info);
            match active.kind {
                Kind::SlowDisk => self.machines[active.machine].set_disk(DISK),
                Kind::FullDisk | Kind::PowerLossInWrite => {
                    self.machines[active.machine].disk().set_full(false);
                    self.excused.push((active.machine, now + NOTICES));
                }
                _ => self.forecast(),
            }
            self.shared.journal.fault(now, &active.fault, Phase::Ok);
        }
    }

    /// Whether that machine's process may fail now: its disk did.
    pub(super) fn may_fail(&self, index: usize) -> bool {
        let disk = |kind: Kind| matches!(kind, Kind::FullDisk | Kind::PowerLossInWrite);
        self.active.iter().any(|active| active.machine == index && disk(active.kind))
            || self.excused.iter().any(|(machine, until)| *machine == index && *until >= self.now)
    }

    /// Whether a process is to start there anyhow.
    pub(super) fn is_down(&self, index: usize) -> bool {
        self.starts.iter().any(|(_, machine)| *machine == index)
    }
}
