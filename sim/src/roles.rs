//! What the processes of a run do.

pub(crate) mod administrator;
mod contender;
mod observer;

use std::collections::BTreeSet;
use std::time::Duration;

use backend_raft::{Join, NodeConfig, RaftConfig, RaftCoordinator};
use election_core::{Coordinator, Error, Kind};
use futures::future::{join, join_all};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::history::{Event, Op, Phase};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::journal::Pen;
use crate::machine::Shared;
use crate::net::{address_of, id_of, machine_of_id};

/// How long a coordinator may take to close before its process ends all the same.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A member of the group; perhaps it also contends.
    Member {
        /// Whether it does.
        contends: bool,
        /// How it comes into the group.
        join: Join,
    },
    /// A client that campaigns.
    Contender,
    /// A client that observes.
    Observer,
    /// Who changes the members and removes records.
    Administrator,
}

impl Role {
    pub(crate) fn name(self, machine: usize) -> String {
        let what = match self {
            Self::Member { .. } => "member",
            Self::Contender => "contender",
            Self::Observer => "observer",
            Self::Administrator => "admin",
        };
        format!("{what}-{}", machine + 1)
    }

    pub(crate) fn is_member(self) -> bool {
        matches!(self, Self::Member { .. })
    }

    /// Whether it is not there from the beginning.
    pub(crate) fn comes_later(self) -> bool {
        matches!(self, Self::Administrator | Self::Member { join: Join::Ask | Join::Replace(_), .. })
    }

    pub(crate) fn contends(self) -> bool {
        matches!(self, Self::Contender | Self::Member { contends: true, .. })
    }
}

/// Who is to end by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Whoever contends is to resign and, if it is not a member, to end.
    pub(crate) contenders: bool,
    /// Everybody else.
    pub(crate) all: bool,
    /// That machine's process alone is to end in good order.
    pub(crate) drain: Option<usize>,
}

/// How a process has ended by itself.
#[derive(Clone, Debug)]
pub(crate) enum Exit {
    /// In good order.
    Done,
    /// It could not go on.
    Failed(String),
}

/// One process's life.
pub(crate) async fn live(role: Role, machine: usize, shared: Shared, pen: Pen, mut rng: StdRng) -> Exit {
    for election in &shared.settings.elections {
        pen.record(election.as_str(), Event::new(Op::Run, Phase::Invoke));
    }
    let config = config(role, machine, &shared);
    let mut orders = shared.stop.clone();
    if role == Role::Administrator {
        return match administrator::run(&config, machine, &shared, &pen, rng).await {
            Ok(()) => end(&shared, &pen, true),
            Err(error) => fail(&shared, &pen, &error),
        };
    }
    let Some(coordinator) = connect(&config, role, machine, &orders, &pen, &mut rng).await else {
        return end(&shared, &pen, true);
    };
    let coordinator = match coordinator {
        Ok(coordinator) => coordinator,
        Err(error) => return fail(&shared, &pen, &error),
    };
    let works = async {
        let works = shared.settings.elections.iter().map(|election| {
            let rng = StdRng::seed_from_u64(rng.random());
            let (shared, pen, coordinator) = (shared.clone(), pen.clone(), coordinator.clone());
            async move {
                let Ok(elector) = coordinator.elector(election.as_str()) else { return };
                if role == Role::Observer {
                    observer::run(&*elector, election.as_str(), machine, &shared, &pen, rng).await;
                } else if role.contends() {
                    let contender = contender::Contender::new(election, machine, shared, pen.clone(), rng);
                    contender.run(&*elector).await;
                    pen.record(election.as_str(), Event::new(Op::Run, Phase::Ok));
                }
            }
        });
        let works: Vec<_> = works.collect();
        let rest = async {
            if role.is_member() {
                told(&mut orders, |orders| orders.all || orders.drain == Some(machine)).await;
            }
        };
        join(join_all(works), rest).await;
    };
    let failure = tokio::select! {
        () = works => None,
        error = coordinator.member_failed() => Some(error),
    };
    // Without its member it has nobody to wait for: it ends at once.
    let patience = if failure.is_none() { CLOSE_WITHIN } else { Duration::ZERO };
    close(&coordinator, patience, &shared, &pen).await;
    match failure {
        None => end(&shared, &pen, !role.contends()),
        Some(error) => fail(&shared, &pen, &error),
    }
}

/// Closes the coordinator; what was led through it has been dropped, or is given up with it.
async fn close(coordinator: &RaftCoordinator, patience: Duration, shared: &Shared, pen: &Pen) {
    let say = |phase| {
        let elections = shared.settings.elections.iter();
        elections.for_each(|election| pen.record(election.as_str(), Event::new(Op::Close, phase)));
    };
    say(Phase::Invoke);
    let closed = timeout(patience, coordinator.close()).await;
    say(if matches!(closed, Ok(Ok(()))) { Phase::Ok } else { Phase::Fail });
}

/// What a process is told. Those who form the group have the same list all their lives; others know who the members
/// were when they were started.
fn config(role: Role, machine: usize, shared: &Shared) -> RaftConfig {
    let (mut config, own) = (shared.settings.config.clone(), id_of(machine));
    let known = shared.ledger.members();
    let forms = matches!(role, Role::Member { join: Join::Form, .. });
    if !forms && !known.is_empty() {
        let own = role.is_member().then_some(own);
        let ids: BTreeSet<u64> = known.into_iter().chain(own).collect();
        config.members =
            ids.into_iter().map(|id| format!("{id}@{}", address_of(machine_of_id(id)))).collect();
    }
    if let Role::Member { join, .. } = role {
        config = config.with_node(NodeConfig {
            snapshot_every: shared.settings.snapshot_every,
            keep_entries: shared.settings.snapshot_every / 2,
            listen: Some(address_of(machine)),
            join,
            ..NodeConfig::new(own, "/simulated")
        });
    }
    config
}

fn fail(shared: &Shared, pen: &Pen, error: &Error) -> Exit {
    for election in &shared.settings.elections {
        let note = Some(error.to_string());
        pen.record(election.as_str(), Event { note, ..Event::new(Op::Run, Phase::Fail) });
    }
    Exit::Failed(error.to_string())
}

/// Ends in good order. Who contended has said so already, when it was done with it: a member goes on as one.
fn end(shared: &Shared, pen: &Pen, say: bool) -> Exit {
    for election in shared.settings.elections.iter().filter(|_| say) {
        pen.record(election.as_str(), Event::new(Op::Run, Phase::Ok));
    }
    Exit::Done
}

/// Connects, however long the group is away; `None` if the process is to end before.
async fn connect(
    config: &RaftConfig,
    role: Role,
    machine: usize,
    orders: &watch::Receiver<Orders>,
    pen: &Pen,
    rng: &mut StdRng,
) -> Option<Result<RaftCoordinator, Error>> {
    let mut orders = orders.clone();
    loop {
        let connected = tokio::select! {
            connected = RaftCoordinator::connect(config.clone()) => connected,
            () = told(&mut orders, |orders| is_over(role, machine, orders)) => return None,
        };
        match connected {
            Err(error) if !role.is_member() && error.kind() != Kind::InvalidConfig => {
                pen.note(&format!("cannot connect: {error}"));
                sleep(Duration::from_millis(rng.random_range(5..50))).await;
            }
            other => return Some(other),
        }
    }
}

/// Waits for orders.
async fn told(orders: &mut watch::Receiver<Orders>, which: impl Fn(&Orders) -> bool) {
    // The sender outlives every process.
    orders.wait_for(|orders| which(orders)).await.ok();
}

/// Whether whoever contends or observes there is to end.
fn is_over(role: Role, machine: usize, orders: &Orders) -> bool {
    orders.all || orders.drain == Some(machine) || role.contends() && orders.contenders
}
