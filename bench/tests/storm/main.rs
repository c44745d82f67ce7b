//! Candidates of the line protocol in a storm: several faults at once, on hosts that have IPv6 addresses only.
//!
//! The proving ground of `testkit` has workers of its own, and one fault of a kind at a time. Here each candidate is a
//! `driver`, as an outside program would run it: it is told and heard through its standard streams alone, and checks
//! from a plain thread. A firewall refuses its packets, its process is stopped, servers are stopped and started again,
//! all in the same three TTLs. What the candidates said is judged by the checker of `testkit`: nobody leads beside
//! another, tokens grow, no check succeeds after the loss. And afterwards every one of them leads again.
//!
//! `STORM_TRIALS=20 cargo test -p bench --features etcd,zk --test storm -- --nocapture` runs more; `STORM_SEED` repeats
//! what was drawn.
#![forbid(unsafe_code)]
#![cfg(any(feature = "etcd", feature = "zk", feature = "raft"))]

mod blow;
mod candidate;
mod record;
mod stand;

use std::env;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::{clock, rig::Backend};
use rand::{Rng, SeedableRng, rngs::StdRng};
use testkit::checker::Exercise;
use testkit::need::{self, Tool};
use testkit::net::{Family, Fate};

use blow::{Blow, Strike, strike};
use record::required;
use stand::{COUNT, Stand};

/// One of each kind, unless somebody has time for more.
const TRIALS: u64 = 2;

fn setting(name: &'static str, otherwise: u64) -> Result<u64> {
    env::var(name).map_or(Ok(otherwise), |value| value.parse().context(name))
}

/// A storm around whoever leads. In every other one the leader is stopped, too: it wakes to the end of its leadership.
/// In the others it goes on, cut off, and has to know by itself when it is over.
fn draw(rng: &mut StdRng, stops: bool, leader: usize, ttl: Duration) -> Vec<Strike> {
    let mut others: Vec<usize> = (0..COUNT).filter(|i| *i != leader).collect();
    if rng.random_bool(0.5) {
        others.reverse();
    }
    let mut at = |blow: Blow, from: f64, lasts: (f64, f64)| {
        let from = ttl.mul_f64(rng.random_range(0.0..from));
        Strike { blow, from, until: from + ttl.mul_f64(rng.random_range(lasts.0..lasts.1)) }
    };
    let mut strikes = vec![
        at(Blow::Cut(leader, Fate::Forbidden), 0.3, (1.2, 2.5)),
        at(Blow::Restart(others[0]), 0.5, (0.3, 1.5)),
    ];
    if stops {
        strikes.push(at(Blow::Pause(leader), 0.3, (1.2, 2.5)));
        strikes.push(at(Blow::Cut(others[1], Fate::Lossy(40)), 1.0, (0.5, 1.5)));
    } else {
        strikes.push(at(Blow::PauseServer(others[1]), 0.5, (0.2, 1.5)));
    }
    strikes
}

async fn storm(backend: Backend) -> Result<()> {
    if !Backend::all().contains(&backend) || !need::has(Tool::Ipv6) {
        return Ok(());
    }
    let (trials, seed) = (setting("STORM_TRIALS", TRIALS)?, setting("STORM_SEED", clock::now_ns())?);
    println!("STORM_SEED={seed}");
    let mut stand = Stand::start(backend, Family::V6).await?;
    let weathered = weather(&mut stand, trials, seed).await;
    weathered.with_context(|| stand.last_words())?;
    // The other half was not stopped, so that every cut met packets.
    let stopped = usize::try_from(trials / 2)?;
    let cut = usize::try_from(trials)? - stopped;
    stand.judge(vec![
        required("forbid", cut, Exercise::Confirmed),
        required("forbid", cut.min(1), Exercise::HitLeader),
        required("pause", stopped.min(1), Exercise::Confirmed),
    ])
}

async fn weather(stand: &mut Stand, trials: u64, seed: u64) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    stand.each_leads().await?;
    for trial in 0..trials {
        let now = clock::now_ns();
        let leader = stand.leader_since(now).await?;
        let strikes = draw(&mut rng, trial % 2 == 1, leader, stand.ttl());
        println!("{leader} leads: {strikes:?}");
        strike(stand, &strikes).await?;
        let over = clock::now_ns();
        stand.leader_since(over).await?;
    }
    stand.each_leads().await
}

#[cfg(feature = "etcd")]
#[tokio::test(flavor = "multi_thread")]
async fn etcd() -> Result<()> {
    storm(Backend::Etcd).await
}

#[cfg(feature = "zk")]
#[tokio::test(flavor = "multi_thread")]
async fn zookeeper() -> Result<()> {
    storm(Backend::Zk).await
}

#[cfg(feature = "raft")]
#[tokio::test(flavor = "multi_thread")]
async fn raft() -> Result<()> {
    storm(Backend::Raft).await
}
