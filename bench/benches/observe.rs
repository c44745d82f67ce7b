//! A leader resigns, the next one leads: from the call to the moment the last observer of a third process knows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::clock;
use bench::relay::Relay;
use bench::rig::{Rig, settings};
use bench::suite::{Figure, Goal, Suite, run};
use election::{Coordinator, Elector, FencingToken, LeaderEvent};
use futures::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Long enough for a follower to be in the queue.
const QUEUED_FOR: Duration = Duration::from_millis(30);

fn main() {
    run("observe", env!("CARGO_BIN_EXE_driver"), observe);
}

fn observe(suite: &mut Suite) {
    for setting in settings(&suite.servers()) {
        let rig = suite.rig(setting);
        for &observers in suite.cases(&[1, 100, 1000]) {
            let mut figure = Figure::new(setting, observers, Goal::Free);
            figure.samples = 20;
            suite.measure_raw_pushes(&mut figure, &rig);
            let scene = async || Scene::start(rig.get().await?, observers).await;
            suite.measure(&figure, scene, async |scene, iters| {
                let mut sum = Duration::ZERO;
                for _ in 0..iters {
                    sum += scene.change().await?;
                }
                Ok(sum)
            });
        }
    }
}

/// What an observer saw, and when.
struct Seen {
    token: FencingToken,
    at: u64,
}

struct Scene {
    relay: Relay,
    count: usize,
    seen: UnboundedReceiver<Seen>,
    /// The process that observes.
    _coordinator: Arc<dyn Coordinator>,
    _observers: JoinSet<Result<()>>,
}

impl Scene {
    async fn start(rig: &Rig, count: usize) -> Result<Self> {
        let (home, away, coordinator) = (rig.home().await?, rig.away().await?, rig.away().await?);
        let relay = Relay::start([home.elector("observe")?, away.elector("observe")?]).await?;
        let (sender, seen) = unbounded_channel();
        let elector = coordinator.elector("observe")?;
        let observers = (0..count).map(|_| observer(elector.clone(), sender.clone())).collect();
        let mut scene = Self { relay, count, seen, _coordinator: coordinator, _observers: observers };
        for _ in 0..count {
            scene.next().await?;
        }
        Ok(scene)
    }

    /// One handover; the time until the last observer knew.
    async fn change(&mut self) -> Result<Duration> {
        let handover = self.relay.hand_over(QUEUED_FOR).await?;
        let (mut left, mut last) = (self.count, 0);
        while left > 0 {
            let seen = self.next().await?;
            if seen.token == handover.token {
                left -= 1;
                last = last.max(seen.at);
            }
        }
        Ok(Duration::from_nanos(last.saturating_sub(handover.resigned)))
    }

    async fn next(&mut self) -> Result<Seen> {
        self.seen.recv().await.context("the observers have ended")
    }
}

async fn observer(elector: Arc<dyn Elector>, sender: UnboundedSender<Seen>) -> Result<()> {
    let mut events = elector.observe();
    while let Some(event) = events.next().await {
        let at = clock::now_ns();
        if let LeaderEvent::Elected(leader) = event? {
            sender.send(Seen { token: leader.token, at })?;
        }
    }
    Ok(())
}
