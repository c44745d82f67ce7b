//! `cycle`: candidates on elections of their own campaign, win and resign, again and again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use election::{Candidate, Coordinator, Elector, Kind};
use futures::future::try_join_all;

use super::args::{Args, seconds};
use super::event::{Event, Measured, Output};
use crate::clock;

/// Runs the verb.
pub(super) async fn run(coordinator: &dyn Coordinator, args: &Args, output: &Output) -> Result<()> {
    let measure = seconds("--seconds", args.seconds)?;
    let warmup = seconds("--warmup", args.warmup)?;
    cycle(coordinator, &args.election, args.candidates, measure, warmup, output).await
}

/// Runs `candidates` candidates, candidate i on the election `NAME-i`, and says what they measured.
pub(super) async fn cycle(
    coordinator: &dyn Coordinator,
    election: &str,
    candidates: usize,
    measure: Duration,
    warmup: Duration,
    output: &Output,
) -> Result<()> {
    let electors = (0..candidates).map(|i| coordinator.elector(&format!("{election}-{i}")));
    let electors = electors.collect::<election::Result<Vec<_>>>()?;
    let from = clock::now_ns() + nanos(warmup);
    let window = Window { from, to: from + nanos(measure) };
    let runs =
        electors.into_iter().enumerate().map(|(i, elector)| tokio::spawn(candidate(i, elector, window)));
    let mut samples = Samples::default();
    for run in try_join_all(runs).await? {
        samples.append(run?);
    }
    output.say(&Event::Result(Measured::Cycles {
        candidates,
        elapsed_ns: nanos(measure),
        cycles: samples.campaign_ns.len(),
        campaign_ns: &samples.campaign_ns,
        resign_ns: &samples.resign_ns,
    }));
    Ok(())
}

/// The measured time.
#[derive(Clone, Copy)]
struct Window {
    from: u64,
    to: u64,
}

#[derive(Default)]
struct Samples {
    campaign_ns: Vec<u64>,
    resign_ns: Vec<u64>,
}

impl Samples {
    fn append(&mut self, mut other: Self) {
        self.campaign_ns.append(&mut other.campaign_ns);
        self.resign_ns.append(&mut other.resign_ns);
    }
}

/// Cycles until the window has closed; only cycles wholly inside it count.
///
/// A cycle that failed and may be tried again (a session lost on a machine that is too busy to renew it) does not
/// count either: it is a remark on the standard error, and costs the time it took.
async fn candidate(i: usize, elector: Arc<dyn Elector>, window: Window) -> election::Result<Samples> {
    let candidate = Candidate::new(format!("c{i}"))?;
    let mut samples = Samples::default();
    loop {
        let start = clock::now_ns();
        let (won, end) = match once(&*elector, &candidate).await {
            Ok(times) => times,
            Err(error) if clock::now_ns() > window.to => {
                return if error.is_retryable() { Ok(samples) } else { Err(error) };
            }
            Err(error) if error.is_retryable() || error.kind() == Kind::NotLeader => {
                eprintln!("driver: {error}; cycling on");
                continue;
            }
            Err(error) => return Err(error),
        };
        if end > window.to {
            return Ok(samples);
        }
        if start >= window.from {
            samples.campaign_ns.push(won - start);
            samples.resign_ns.push(end - won);
        }
    }
}

/// One cycle: when it was won, and when it was resigned.
async fn once(elector: &dyn Elector, candidate: &Candidate) -> election::Result<(u64, u64)> {
    let leadership = elector.campaign(candidate.clone()).await?;
    let won = clock::now_ns();
    leadership.resign().await?;
    Ok((won, clock::now_ns()))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
