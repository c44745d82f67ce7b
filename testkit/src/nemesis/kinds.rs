//! [`Kind`]: the list of all faults.

use std::{fmt, time::Duration};

use anyhow::{Result, bail};
use rand::{Rng, rngs::StdRng};

use super::{
    Nemesis,
    admin::{Compaction, Deed, Deposal},
    clock::{Pace, Rate, Step},
    disk::FullDisk,
    kill::{KillServers, KillWorker, Which},
    link::{BadLink, Ill},
    network::{Disturbed, Shape},
    pause::{PauseServers, PauseWorker},
    restart::RollingRestart,
    suspend::Suspend,
    victim::Role,
};
use crate::{ground::Backend, need, need::Tool};

/// What a fault touches: two of one area are not let loose at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Processes of ours.
    Workers,
    /// Servers, and their disks.
    Servers,
    /// What is between hosts.
    Network,
    /// What is in the store.
    Store,
}

/// A fault by its name.
pub struct Kind {
    /// As on the command line and in the history.
    pub name: &'static str,
    /// In one line.
    pub about: &'static str,
    /// What it touches.
    pub area: Area,
    /// The shortest and the longest duration, in TTLs.
    lasts: (f64, f64),
    /// The only service that it makes sense on.
    only: Option<Backend>,
    make: fn(StdRng) -> Box<dyn Nemesis>,
}

impl Kind {
    /// How long it lasts, for sessions of that TTL.
    pub fn draw_duration(&self, rng: &mut StdRng, ttl: Duration) -> Duration {
        let (shortest, longest) = self.lasts;
        ttl.mul_f64(rng.random_range(shortest..=longest))
    }

    /// One such fault, which decides by these random numbers.
    #[must_use]
    pub fn make(&self, rng: StdRng) -> Box<dyn Nemesis> {
        (self.make)(rng)
    }

    /// True if it makes sense on that service.
    #[must_use]
    pub fn applies_to(&self, backend: Backend) -> bool {
        self.only.is_none_or(|only| only == backend)
    }

    /// True if the machine has what it takes.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        !self.name.starts_with("clock-") || Tool::Faketime.is_present()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The fault of that name.
///
/// # Errors
///
/// When there is none; the message has all names.
pub fn find(name: &str) -> Result<&'static Kind> {
    match KINDS.iter().find(|kind| kind.name == name) {
        Some(kind) => Ok(kind),
        None => {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            bail!("there is no fault {name:?}: give one of {}", names.join(", "))
        }
    }
}

/// All that there is on a service, on this machine. Under CI nothing may be missing.
#[must_use]
pub fn all(backend: Backend) -> Vec<&'static Kind> {
    if !Tool::Faketime.is_present() {
        let _ = need::has(Tool::Faketime);
    }
    KINDS.iter().filter(|kind| kind.applies_to(backend) && kind.is_possible()).collect()
}

const fn kind(
    name: &'static str,
    area: Area,
    lasts: (f64, f64),
    about: &'static str,
    make: fn(StdRng) -> Box<dyn Nemesis>,
) -> Kind {
    Kind { name, about, area, lasts, only: None, make }
}

const fn only(backend: Backend, kind: Kind) -> Kind {
    Kind { only: Some(backend), ..kind }
}

fn kill_worker(role: Role) -> Box<dyn Nemesis> {
    Box::new(KillWorker { role, victim: None })
}

fn kill_servers(which: Which, rng: StdRng) -> Box<dyn Nemesis> {
    Box::new(KillServers { which, rng, servers: Vec::new() })
}

fn pause_worker(role: Role) -> Box<dyn Nemesis> {
    Box::new(PauseWorker { role, victim: None })
}

fn pause_servers(which: Which, rng: StdRng) -> Box<dyn Nemesis> {
    Box::new(PauseServers { which, rng, servers: Vec::new() })
}

fn disturb(shape: Shape, rng: StdRng) -> Box<dyn Nemesis> {
    Box::new(Disturbed::new(shape, rng))
}

fn spoil(ill: Ill, rng: StdRng) -> Box<dyn Nemesis> {
    Box::new(BadLink::new(ill, rng))
}

fn depose(role: Role, deed: Deed) -> Box<dyn Nemesis> {
    Box::new(Deposal::new(role, deed))
}

fn rate(pace: Pace) -> Box<dyn Nemesis> {
    Box::new(Rate { pace, victim: None, seen: None })
}

use Area::{Network, Servers, Store, Workers};

/// SIGSTOP lasts from too short to be noticed to long after the session's end.
const PAUSE: (f64, f64) = (0.5, 3.0);

/// The same, and up to ten seconds where a session lasts for two.
const LONG: (f64, f64) = (0.5, 5.0);

/// Long enough for the session to end, and somebody else to lead.
const BEYOND: (f64, f64) = (1.5, 2.5);

/// All faults.
pub static KINDS: &[Kind] = &[
    kind("kill-leader", Workers, BEYOND, "SIGKILL of the leading worker", |_| kill_worker(Role::Leader)),
    kind("kill-waiter", Workers, (0.5, 2.0), "SIGKILL of a waiting worker", |_| kill_worker(Role::Waiter)),
    kind(
        "kill-server",
        Servers,
        (0.5, 2.0),
        "SIGKILL of the server that the leader is connected to",
        |rng| kill_servers(Which::Leaders, rng),
    ),
    kind("kill-chief", Servers, (1.0, 2.0), "SIGKILL of the server that leads the others", |rng| {
        kill_servers(Which::Chief, rng)
    }),
    kind("kill-majority", Servers, (0.5, 2.5), "SIGKILL of two servers of three", |rng| {
        kill_servers(Which::Majority, rng)
    }),
    kind("pause-leader", Workers, PAUSE, "SIGSTOP of the leading worker", |_| pause_worker(Role::Leader)),
    kind("pause-waiter", Workers, PAUSE, "SIGSTOP of a waiting worker", |_| pause_worker(Role::Waiter)),
    kind("pause-server", Servers, PAUSE, "SIGSTOP of the server that the leader is connected to", |rng| {
        pause_servers(Which::Leaders, rng)
    }),
    kind("pause-chief", Servers, LONG, "SIGSTOP of the server that leads the others", |rng| {
        pause_servers(Which::Chief, rng)
    }),
    kind("pause-majority", Servers, PAUSE, "SIGSTOP of two servers of three", |rng| {
        pause_servers(Which::Majority, rng)
    }),
    kind("cut-leader", Network, PAUSE, "the leader's host cut off from all", |rng| {
        disturb(Shape::Leader, rng)
    }),
    kind(
        "cut-leaders-server",
        Network,
        (1.0, 3.0),
        "the leader's server cut off from the others, its link to the leader up",
        |rng| disturb(Shape::LeadersServer, rng),
    ),
    kind("cut-chief", Network, (1.0, 3.0), "the server that leads cut off from the others", |rng| {
        disturb(Shape::Chief, rng)
    }),
    kind("cut-one-way", Network, PAUSE, "half a link between the leader and all servers", |rng| {
        disturb(Shape::OneWay, rng)
    }),
    kind("bridge", Network, PAUSE, "two servers cut off from each other, both see the third", |rng| {
        disturb(Shape::Bridge, rng)
    }),
    kind("refuse", Network, PAUSE, "connections of the leader are reset and refused", |rng| {
        disturb(Shape::Refused, rng)
    }),
    kind("loss", Network, (1.0, 3.0), "10 to 50 % of all packets lost", |rng| disturb(Shape::Loss, rng)),
    kind(
        "slow-link",
        Network,
        (1.0, 3.0),
        "each server later by another time, for workers behind proxies",
        |rng| spoil(Ill::Slow, rng),
    ),
    kind(
        "reorder",
        Network,
        (1.0, 3.0),
        "what is sent on one connection overtakes what is on another",
        |rng| spoil(Ill::Reorders, rng),
    ),
    kind(
        "half-open",
        Network,
        (1.0, 2.5),
        "open connections lost by one end or on the way; new ones work",
        |rng| spoil(Ill::HalfOpen, rng),
    ),
    kind("lost-replies", Network, PAUSE, "requests arrive, and their answers come late or never", |rng| {
        spoil(Ill::NoReplies, rng)
    }),
    kind("rolling-restart", Servers, (0.0, 0.0), "all servers restarted in good order, one by one", |_| {
        Box::new(RollingRestart::default())
    }),
    kind("delete-leader", Store, (0.2, 0.5), "the leader's record deleted by an administrator", |_| {
        depose(Role::Leader, Deed::Delete)
    }),
    kind("delete-waiter", Store, (0.2, 0.5), "a waiting record deleted by an administrator", |_| {
        depose(Role::Waiter, Deed::Delete)
    }),
    kind("end-session", Store, (0.2, 0.5), "the leader's session ended by an administrator", |_| {
        depose(Role::Leader, Deed::EndSession)
    }),
    kind("end-waiter", Store, (0.2, 0.5), "a waiting worker's session ended by an administrator", |_| {
        depose(Role::Waiter, Deed::EndSession)
    }),
    only(
        Backend::Etcd,
        kind("compact", Store, (2.0, 4.0), "the store's history compacted every 200 ms", |_| {
            Box::new(Compaction::default())
        }),
    ),
    kind("clock-fast", Workers, (0.5, 1.0), "a worker whose clocks run ×1.5", |_| rate(Pace::Fast)),
    kind(
        "clock-slow",
        Workers,
        (0.5, 1.0),
        "a worker whose clocks run ×0.66 (zk: ×0.76), as it was told",
        |_| rate(Pace::Slow),
    ),
    kind(
        "clock-step",
        Workers,
        (1.0, 2.0),
        "a leader's wall clock set an hour off, forward and back",
        |_| Box::new(Step::default()),
    ),
    kind(
        "suspend",
        Workers,
        BEYOND,
        "a leader's machine sleeps: its timers stand still, the boot clock does not",
        |_| Box::new(Suspend::default()),
    ),
    only(
        Backend::Raft,
        kind("full-disk", Servers, (0.5, 2.0), "the disk of a Raft member is full", |rng| {
            Box::new(FullDisk { rng, server: None })
        }),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let names: HashSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert_eq!(find("bridge").unwrap().area, Area::Network);
        let error = find("flood").unwrap_err().to_string();
        assert!(error.contains("kill-leader, ") && error.contains("full-disk"), "{error}");
    }
}
