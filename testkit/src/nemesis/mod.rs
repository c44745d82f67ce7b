//! Faults: what a [`Ground`] has to bear.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Nemesis`] | one fault: it aims, strikes, and heals |
//! | [`Kind`] | a fault's name, how long it lasts, and how to make one: [`KINDS`] lists all |
//! | [`Exercise`] | whether a fault really was what its name says |
//!
//! A nemesis decides by its own random numbers, so that a seed repeats it. It is harmless to what it does not aim at:
//! several hold at the same time, unless they touch the same [`Area`].

mod admin;
mod clock;
mod disk;
mod kill;
mod kinds;
mod link;
mod network;
mod pause;
mod restart;
mod suspend;
mod victim;

pub use kinds::{Area, KINDS, Kind, all, find};

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

use crate::{
    ground::Ground,
    history::{Effect, Stamp},
};

/// What a fault is going to hit, as the history tells it.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    /// In words.
    pub target: String,
    /// The process of ours that it kills or pauses.
    pub pid: Option<u32>,
    /// What it does to the contract's terms.
    pub effect: Effect,
    /// The token of the record that is deleted, or whose session is ended.
    pub token: Option<u64>,
}

/// When a fault began.
#[derive(Clone, Copy, Debug)]
pub struct Struck {
    /// Before it began.
    pub before: Stamp,
    /// After it had surely begun.
    pub after: Stamp,
}

/// Whether a fault really was what its name says: a run that did not exercise it proves nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exercise {
    /// It was.
    Done,
    /// It was not, and why: say, the leader had resigned a moment before it was killed.
    Missed(String),
}

impl Exercise {
    /// Done if `condition` holds.
    #[must_use]
    pub fn when(condition: bool, otherwise: impl Into<String>) -> Self {
        if condition { Self::Done } else { Self::Missed(otherwise.into()) }
    }
}

/// One fault. [`aim`](Self::aim), [`inject`](Self::inject), [`hold`](Self::hold) and [`heal`](Self::heal) are called once
/// each, in this order.
#[async_trait]
pub trait Nemesis: Send {
    /// Chooses the target; changes nothing.
    async fn aim(&mut self, ground: &Ground) -> Result<Aim>;

    /// Strikes. When this returns the fault has begun.
    async fn inject(&mut self, ground: &Ground) -> Result<()>;

    /// Lets it last. Those that go on striking do so here.
    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        let _ = ground;
        tokio::time::sleep(lasts).await;
        Ok(())
    }

    /// Takes the fault back, also when `inject` has failed half-way, and says whether it was real.
    async fn heal(&mut self, ground: &Ground, struck: Struck) -> Result<Exercise>;
}
