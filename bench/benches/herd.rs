//! A leader resigns while a long queue waits: from the call to the moment the next one leads, then it queues again.
//! The time must not depend on the length of the queue, and nobody but the next may be woken.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::clock;
use bench::rig::{Rig, settings};
use bench::suite::{Figure, Goal, Suite, run};
use election::{Candidate, Coordinator, Elector, Leadership};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

fn main() {
    run("herd", env!("CARGO_BIN_EXE_driver"), herd);
}

fn herd(suite: &mut Suite) {
    for setting in settings(&suite.servers()) {
        let rig = suite.patient_rig(setting);
        for queue in suite.cases_or_dear(&[10, 100], &[1000]) {
            let mut figure = Figure::new(setting, queue, Goal::AtMost(1.5));
            figure.samples = 20;
            suite.measure_raw_pushes(&mut figure, &rig);
            suite.measure(
                &figure,
                async || Herd::gather(rig.get().await?, queue).await,
                async |herd, iters| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..iters {
                        sum += herd.hand_over().await?;
                    }
                    Ok(sum)
                },
            );
        }
    }
}

/// One that leads, and those that wait.
struct Herd {
    leader: Option<Leadership>,
    led: UnboundedReceiver<(Leadership, u64)>,
    sender: UnboundedSender<(Leadership, u64)>,
    candidates: JoinSet<Result<()>>,
    elector: Arc<dyn Elector>,
    _coordinator: Arc<dyn Coordinator>,
}

impl Herd {
    async fn gather(rig: &Rig, queue: usize) -> Result<Self> {
        let coordinator = rig.home().await?;
        let (sender, led) = unbounded_channel();
        // An election of its own, because the benches of other lengths may still be giving theirs up.
        let elector = coordinator.elector(&format!("herd-{queue}"))?;
        let (leader, candidates) = (None, JoinSet::new());
        let mut herd = Self { leader, led, sender, candidates, elector, _coordinator: coordinator };
        for _ in 0..=queue {
            herd.queue();
        }
        herd.leader = Some(herd.next().await?.0);
        // The trait does not tell who waits, so they get as long as their commits may take.
        tokio::time::sleep(Duration::from_millis(500) + Duration::from_millis(2) * u32::try_from(queue)?)
            .await;
        Ok(herd)
    }

    /// One more at the end of the queue.
    fn queue(&mut self) {
        let (elector, sender) = (self.elector.clone(), self.sender.clone());
        self.candidates.spawn(async move {
            let leadership = elector.campaign(Candidate::new("bench")?).await?;
            sender.send((leadership, clock::now_ns())).ok().context("nobody waits for a leader")
        });
    }

    async fn next(&mut self) -> Result<(Leadership, u64)> {
        loop {
            tokio::select! {
                biased;
                Some(led) = self.led.recv() => return Ok(led),
                Some(ended) = self.candidates.join_next() => ended??,
            }
        }
    }

    async fn hand_over(&mut self) -> Result<Duration> {
        let leader = self.leader.take().context("an earlier handover failed")?;
        let resigning = tokio::spawn(async move {
            let resigned = clock::now_ns();
            leader.resign().await.map(|()| resigned)
        });
        let (leader, led) = self.next().await?;
        self.leader = Some(leader);
        let resigned = resigning.await??;
        self.queue();
        Ok(Duration::from_nanos(led.saturating_sub(resigned)))
    }
}
