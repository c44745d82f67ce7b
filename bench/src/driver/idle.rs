//! `idle`: holds many elections on one session, and does nothing else.

use anyhow::{Context, Result, anyhow};
use election::{Candidate, Coordinator, Leadership};
use futures::{StreamExt, TryStreamExt, stream};

use super::args::Args;
use super::event::{Event, Output};
use super::input::Input;
use crate::clock;

/// How many campaigns are under way at a time: enough to share commits, not enough to overrun a server.
const AT_A_TIME: usize = 256;

/// Runs the verb until a line comes or the input ends.
pub(super) async fn run(
    coordinator: &dyn Coordinator,
    args: &Args,
    mut input: Input,
    output: &Output,
) -> Result<()> {
    let start = clock::now_ns();
    let campaigns = stream::iter(0..args.elections).map(|i| async move {
        let elector = coordinator.elector(&format!("{}-{i}", args.election))?;
        elector.campaign(Candidate::new("c0")?).await
    });
    let held: Vec<Leadership> = campaigns.buffer_unordered(AT_A_TIME).try_collect().await?;
    let acquire_ns = clock::now_ns() - start;
    output.say(&Event::Held { elections: held.len(), acquire_ns });
    // All hang on one session, so one of them tells for all; a watcher for each would be memory that is not
    // the library's.
    let lost = async {
        match held.first() {
            Some(first) => first.lost().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = input.line() => {}
        loss = lost => return Err(anyhow!(loss)).context("an election was lost while idle"),
    }
    held.iter()
        .try_for_each(|leadership| leadership.check().map(drop))
        .context("an election was lost while idle")
}
