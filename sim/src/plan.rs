//! [`Settings`] and [`Plan`]: what a seed makes of a run.

use std::time::Duration;

use backend_raft::{Join, Profile, RaftConfig, RaftTiming};
use election_core::ElectionName;
use rand::Rng;
use rand::rngs::StdRng;

use crate::net::{MILLI, address_of};
use crate::roles::Role;

/// How long faults go on.
pub(crate) const FAULTS_UNTIL: u64 = 4_000 * MILLI;
/// When the first one comes: the group may still be forming.
const FAULTS_FROM: u64 = 150 * MILLI;
/// How many machines there are for members to come.
const NEWCOMERS: usize = 3;

/// What stays the same for a whole run.
pub(crate) struct Settings {
    pub(crate) config: RaftConfig,
    pub(crate) raft: RaftTiming,
    pub(crate) snapshot_every: u64,
    pub(crate) elections: Vec<ElectionName>,
    pub(crate) roles: Vec<Role>,
    /// How fast each machine's clock goes: no two differ by more than the drift bound.
    pub(crate) rates: Vec<f64>,
}

impl Settings {
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let members = if rng.random_bool(0.2) { 5 } else { 3 };
        let member = |_| Role::Member { contends: rng.random_bool(0.4), join: Join::Form };
        let mut roles: Vec<Role> = (0..members).map(member).collect();
        roles.extend([Role::Contender; 2]);
        if rng.random_bool(0.5) {
            roles.push(Role::Contender);
        }
        roles.extend([Role::Observer, Role::Administrator]);
        roles.extend([Role::Member { contends: false, join: Join::Ask }; NEWCOMERS]);
        let drift = if rng.random_bool(0.5) { 0.01 } else { 0.1 };
        // (1 − d/2) / (1 + d/2) is above 1 − d.
        let rates = roles.iter().map(|_| extreme(rng, drift / 2.0)).collect();
        let raft = Profile::Lan.raft();
        let ttl = Duration::from_millis(rng.random_range(100..=300));
        let mut config = RaftConfig::new((0..members).map(address_of)).with_plaintext().with_ttl(ttl);
        config.raft = raft;
        config.session = config.session.with_drift(drift);
        config.patience = Duration::from_secs(2);
        let names: &[&str] = if rng.random_bool(0.3) { &["a", "b"] } else { &["a"] };
        let elections = names.iter().filter_map(|name| ElectionName::new(*name).ok()).collect();
        let snapshot_every = if rng.random_bool(0.5) { rng.random_range(10..60) } else { 10_000 };
        Self { config, raft, snapshot_every, elections, roles, rates }
    }

    /// How many members form the group. Others may come later.
    pub(crate) fn founders(&self) -> usize {
        self.config.members.len()
    }
}

/// A rate within the bound, mostly near one of its ends.
pub(crate) fn extreme(rng: &mut StdRng, bound: f64) -> f64 {
    let within = rng.random_range(0.7..=1.0) * bound;
    match rng.random_range(0..3) {
        0 => 1.0 - within,
        1 => 1.0 + within,
        _ => 1.0 + rng.random_range(-bound..=bound),
    }
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PowerLoss,
    PowerLossInWrite,
    Kill,
    Drain,
    Pause,
    Suspend,
    Isolate,
    OneWay,
    Bridge,
    Slow,
    Loss,
    SlowDisk,
    FullDisk,
    ClockRate,
    LateAnswers,
    Mute,
    AddMember,
    ReplaceMember,
    RemoveMember,
    DeleteRecord,
}

impl Kind {
    const ALL: [Self; 20] = [
        Self::PowerLoss,
        Self::PowerLossInWrite,
        Self::Kill,
        Self::Drain,
        Self::Pause,
        Self::Suspend,
        Self::Isolate,
        Self::OneWay,
        Self::Bridge,
        Self::Slow,
        Self::Loss,
        Self::SlowDisk,
        Self::FullDisk,
        Self::ClockRate,
        Self::LateAnswers,
        Self::Mute,
        Self::AddMember,
        Self::ReplaceMember,
        Self::RemoveMember,
        Self::DeleteRecord,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PowerLoss => "power-loss",
            Self::PowerLossInWrite => "power-loss-in-write",
            Self::Kill => "kill",
            Self::Drain => "drain",
            Self::Pause => "pause",
            Self::Suspend => "suspend",
            Self::Isolate => "isolate",
            Self::OneWay => "one-way",
            Self::Bridge => "bridge",
            Self::Slow => "slow",
            Self::Loss => "loss",
            Self::SlowDisk => "slow-disk",
            Self::FullDisk => "full-disk",
            Self::ClockRate => "clock-rate",
            Self::LateAnswers => "late-answers",
            Self::Mute => "mute",
            Self::AddMember => "add-member",
            Self::ReplaceMember => "replace-member",
            Self::RemoveMember => "remove-member",
            Self::DeleteRecord => "delete-record",
        }
    }

    /// Whether it is made by an administrator, and not by misfortune.
    pub(crate) fn is_intended(self) -> bool {
        matches!(self, Self::AddMember | Self::ReplaceMember | Self::RemoveMember | Self::DeleteRecord)
    }

    /// Whether it is about a member and nobody else.
    pub(crate) fn hits_members_only(self) -> bool {
        matches!(self, Self::PowerLossInWrite | Self::Bridge | Self::SlowDisk | Self::FullDisk)
    }
}

/// Whom a fault hits; found out when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The member that serves as Raft leader.
    RaftLeader,
    /// Who claims a leadership.
    Claimant,
    /// That one of those it can hit.
    Anybody(usize),
}

/// A fault to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) at: u64,
    pub(crate) lasts: u64,
    pub(crate) kind: Kind,
    pub(crate) aim: Aim,
    pub(crate) seed: u64,
}

/// The faults of a run, in the order of their beginnings.
pub(crate) fn plan(rng: &mut StdRng) -> Vec<Strike> {
    let mut strikes = Vec::new();
    // Some runs are stormy, and some are about a few kinds only.
    let kinds: Vec<Kind> = if rng.random_bool(0.5) {
        Kind::ALL.to_vec()
    } else {
        (0..rng.random_range(1..4)).map(|_| Kind::ALL[rng.random_range(0..Kind::ALL.len())]).collect()
    };
    let calm = rng.random_range(60..500) * MILLI;
    let mut at = FAULTS_FROM + rng.random_range(0..600 * MILLI);
    while at < FAULTS_UNTIL {
        let aim = match rng.random_range(0..10) {
            0..5 => Aim::RaftLeader,
            5..7 => Aim::Claimant,
            _ => Aim::Anybody(rng.random_range(0..64)),
        };
        let kind = kinds[rng.random_range(0..kinds.len())];
        let strike = Strike { at, lasts: rng.random_range(5..600) * MILLI, kind, aim, seed: rng.random() };
        strikes.push(strike);
        // The last answer that arrives is a late one: who counts from it claims for too long.
        if kind == Kind::LateAnswers && rng.random() {
            let at = at + rng.random_range(MILLI..=strike.lasts);
            strikes.push(Strike { at, kind: Kind::Mute, seed: rng.random(), ..strike });
        }
        at += rng.random_range(MILLI..=2 * calm);
    }
    strikes.sort_by_key(|strike| strike.at);
    strikes
}
