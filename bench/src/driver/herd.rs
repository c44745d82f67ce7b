//! `herd`: many candidates queued in one election lead one after the other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use election::{Candidate, Coordinator, Elector};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::args::Args;
use super::event::{Event, Measured, Output};
use super::input::Input;
use crate::clock;

/// See [`queued`].
const SETTLE: Duration = Duration::from_millis(500);

/// When one candidate led.
struct Turn {
    won: u64,
    resigned: u64,
}

/// Runs the verb.
pub(super) async fn run(
    coordinator: &dyn Coordinator,
    args: &Args,
    mut input: Input,
    output: &Output,
) -> Result<()> {
    let elector = coordinator.elector(&args.election)?;
    let (go, start) = watch::channel(false);
    let (sender, mut turns) = unbounded_channel();
    let mut candidates = JoinSet::new();
    for i in 0..args.candidates {
        candidates.spawn(candidate(i, elector.clone(), start.clone(), sender.clone()));
    }
    drop(sender);
    queued(coordinator, args).await?;
    output.say(&Event::Ready { id: None, t: None });
    if input.line().await.is_none() {
        return Ok(());
    }
    go.send_replace(true);
    let mut done = Vec::with_capacity(args.candidates);
    while done.len() < args.candidates {
        tokio::select! {
            Some(turn) = turns.recv() => done.push(turn),
            Some(ended) = candidates.join_next() => ended??,
        }
    }
    say(&mut done, output)?;
    input.line().await;
    Ok(())
}

/// One place in the queue: resigns as soon as it leads and the start was given.
async fn candidate(
    i: usize,
    elector: Arc<dyn Elector>,
    mut start: watch::Receiver<bool>,
    turns: UnboundedSender<Turn>,
) -> Result<()> {
    let leadership = elector.campaign(Candidate::new(format!("c{i}"))?).await?;
    let won = clock::now_ns();
    start.wait_for(|started| *started).await.context("the herd was not started")?;
    let resigned = clock::now_ns();
    leadership.resign().await?;
    turns.send(Turn { won, resigned }).context("the herd was stopped")
}

/// Waits until every candidate is in the queue.
///
/// The trait does not tell who waits (on purpose: a waiter can do nothing with it). So: an election that was
/// entered after them is won, on the same session, and what may have overtaken them on the way gets as long
/// as a thousand commits take.
async fn queued(coordinator: &dyn Coordinator, args: &Args) -> Result<()> {
    tokio::task::yield_now().await;
    let probe = coordinator.elector(&format!("{}-probe", args.election))?;
    probe.campaign(Candidate::new("probe")?).await?.resign().await?;
    tokio::time::sleep(SETTLE + Duration::from_millis(2) * u32::try_from(args.candidates)?).await;
    Ok(())
}

fn say(turns: &mut [Turn], output: &Output) -> Result<()> {
    turns.sort_unstable_by_key(|turn| turn.won);
    let handovers = turns.windows(2).map(|pair| {
        ensure!(pair[1].won >= pair[0].resigned, "two candidates led at the same time");
        Ok(pair[1].won - pair[0].resigned)
    });
    let handover_ns = handovers.collect::<Result<Vec<u64>>>()?;
    let (first, last) = turns.first().zip(turns.last()).context("nobody led")?;
    let total_ns = last.won.saturating_sub(first.resigned);
    output.say(&Event::Result(Measured::Handovers { handover_ns: &handover_ns, total_ns }));
    Ok(())
}
