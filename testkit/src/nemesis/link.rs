//! Links that carry everything, but not as they should: slow, out of order, half open, or with no way back.
//!
//! They go through a [`Proxy`] on the worker's host, because the kernel here has no `netem`. What TCP rules out, no
//! network can do to us either: within a connection nothing is reordered, and nothing comes twice.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::{
    Aim, Exercise, Nemesis, Struck,
    victim::{Role, Victim},
};
use crate::{
    ground::{Ground, Worker},
    proxy::{Direction, Proxy, Told},
};

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ill {
    /// Every byte comes later, to and from each server by another time.
    Slow,
    /// Every chunk comes later by a time of its own: what is sent on one connection overtakes what is on another.
    Reorders,
    /// It has forgotten the open connections; one end may be told, the other one believes in them. New ones work.
    HalfOpen,
    /// What is asked arrives and is carried out; no answer comes back, or it comes when the fault is over.
    NoReplies,
}

/// The links of the leader, or of all workers that go through proxies.
pub(super) struct BadLink {
    pub(super) ill: Ill,
    pub(super) rng: StdRng,
    pub(super) victim: Option<Victim>,
    pub(super) all: bool,
    pub(super) disturbed: u64,
}

impl BadLink {
    pub(super) fn new(ill: Ill, rng: StdRng) -> Self {
        Self { ill, rng, victim: None, all: false, disturbed: 0 }
    }

    fn proxies<'a>(&self, ground: &'a Ground) -> Vec<&'a Proxy> {
        let leader = self.victim.as_ref().map(|victim| victim.worker(ground).id());
        let struck = |worker: &&Worker| self.all || Some(worker.id()) == leader;
        let links = ground.workers().filter(struck).filter_map(Worker::links);
        links.flat_map(|links| links.proxies()).collect()
    }

    /// The chunks and connections of the leader that were hit so far.
    fn hits(&self, ground: &Ground) -> u64 {
        let links = self.victim.as_ref().and_then(|victim| victim.worker(ground).links());
        links.map_or(0, |links| links.proxies().iter().map(Proxy::disturbed).sum())
    }

    fn spoil(&mut self, proxy: &Proxy, ttl: Duration) {
        let both = [Direction::ToServer, Direction::ToClient];
        match self.ill {
            Ill::Slow => {
                for way in both {
                    proxy.delay(way, ttl.mul_f64(self.rng.random_range(0.02..0.15)));
                }
            }
            Ill::Reorders => both.into_iter().for_each(|way| proxy.jitter(way, ttl.mul_f64(0.2))),
            Ill::HalfOpen => {
                let told = [Told::Nobody, Told::Client, Told::Server];
                proxy.forget(*told.choose(&mut self.rng).unwrap_or(&Told::Nobody));
            }
            Ill::NoReplies => proxy.sever_one_way(Direction::ToClient),
        }
    }
}

#[async_trait]
impl Nemesis for BadLink {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let victim = self.victim.insert(Victim::find(ground, Role::LinkedLeader).await?);
        self.all = self.rng.random_bool(0.5);
        let others = if self.all { " and all others behind proxies" } else { "" };
        let target = format!("the links of {}{others}", victim.worker(ground));
        self.disturbed = self.hits(ground);
        Ok(Aim { target, ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let proxies = self.proxies(ground);
        proxies.into_iter().for_each(|proxy| self.spoil(proxy, ground.ttl()));
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, struck: Struck) -> Result<Exercise> {
        // Late replies are one thing, lost ones another.
        let lost = self.ill == Ill::NoReplies && self.rng.random_bool(0.5);
        let hits = self.hits(ground) - self.disturbed;
        for proxy in self.proxies(ground) {
            if lost {
                proxy.cut().await?;
            }
            proxy.heal().await?;
        }
        if hits == 0 {
            return Ok(Exercise::Missed("nothing came by".into()));
        }
        self.victim.as_ref().map_or(Ok(Exercise::Done), |victim| victim.was_hit(ground, struck))
    }
}
