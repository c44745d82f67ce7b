//! [`Victim`]: the worker that a fault is about.

use anyhow::Result;
use rand::{Rng, rngs::StdRng};

use super::{Exercise, Struck};
use crate::ground::{Ground, Seat, Worker};

/// Which worker a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that leads.
    Leader,
    /// The one that leads, once that is one whose way to the servers leads through proxies.
    LinkedLeader,
    /// One that waits behind the leader.
    Waiter,
    /// The same, and a program of its own: no member of a group.
    Client,
}

/// The worker that had the role when the fault was aimed.
#[derive(Clone, Debug)]
pub(super) struct Victim {
    pub(super) role: Role,
    pub(super) seat: Seat,
}

impl Victim {
    pub(super) async fn find(ground: &Ground, role: Role) -> Result<Self> {
        let seat = match role {
            Role::Leader => ground.seat().await?,
            Role::LinkedLeader => ground.leader_that(|worker| worker.links().is_some()).await?,
            Role::Waiter => ground.waiter_that(|_| true).await?,
            Role::Client => ground.waiter_that(|worker| !worker.is_member()).await?,
        };
        Ok(Self { role, seat })
    }

    pub(super) fn worker<'a>(&self, ground: &'a Ground) -> &'a Worker {
        &ground.contenders()[self.seat.worker]
    }

    /// Whether it had that role when the fault struck: a leader resigns every few seconds.
    pub(super) fn was_hit(&self, ground: &Ground, struck: Struck) -> Result<Exercise> {
        let worker = self.worker(ground);
        let led = worker.led_at(struck.before)?.is_some();
        Ok(match self.role {
            // What it writes until it is surely hit may be its resign.
            Role::Leader | Role::LinkedLeader => {
                let still = worker.led_at(struck.after)?.is_some();
                Exercise::when(led && still, format!("{worker} did not lead any more when it was hit"))
            }
            Role::Waiter | Role::Client => {
                Exercise::when(!led, format!("{worker} had become the leader when it was hit"))
            }
        })
    }
}

/// Any but one.
pub(super) fn another(rng: &mut StdRng, count: usize, but: usize) -> usize {
    (but + rng.random_range(1..count)) % count
}
