//! Two processes that hand one leadership to each other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use election::{Candidate, Elector, FencingToken, Leadership};
use tokio::task::JoinHandle;

use crate::clock;

type Campaign = JoinHandle<election::Result<(Leadership, u64)>>;

/// One leads, the other waits in the queue.
pub struct Relay {
    electors: [Arc<dyn Elector>; 2],
    /// `None` only after a failure.
    leader: Option<Leadership>,
    follower: Campaign,
    /// When the follower began to campaign.
    queued: u64,
}

/// One handover, on the clock of [`crate::clock`].
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    /// When resign was called.
    pub resigned: u64,
    /// When the other's campaign returned.
    pub led: u64,
    /// The token of the new leadership.
    pub token: FencingToken,
}

impl Relay {
    /// Makes the first elector lead and the second wait.
    ///
    /// # Errors
    /// When a campaign fails.
    pub async fn start(electors: [Arc<dyn Elector>; 2]) -> Result<Self> {
        let (leader, _) = campaign(&electors[0]).await??;
        let queued = clock::now_ns();
        let follower = campaign(&electors[1]);
        Ok(Self { electors, leader: Some(leader), follower, queued })
    }

    /// Hands over, but not before the follower has queued for so long. Then the one that led queues again.
    ///
    /// # Errors
    /// When a campaign or the resignation fails.
    pub async fn hand_over(&mut self, queued_for: Duration) -> Result<Handover> {
        tokio::time::sleep(queued_for.saturating_sub(clock::since(self.queued))).await;
        let leader = self.leader.take().context("an earlier handover failed")?;
        // On a task, as the campaigns are: all three are scheduled alike.
        let resigning = tokio::spawn(async move {
            let resigned = clock::now_ns();
            leader.resign().await.map(|()| resigned)
        });
        let (leader, led) = (&mut self.follower).await??;
        let token = leader.token();
        self.leader = Some(leader);
        let resigned = resigning.await??;
        self.electors.swap(0, 1);
        self.queued = clock::now_ns();
        self.follower = campaign(&self.electors[1]);
        Ok(Handover { resigned, led, token })
    }
}

/// Campaigns on a task of its own, and says when the campaign returned.
fn campaign(elector: &Arc<dyn Elector>) -> Campaign {
    let elector = elector.clone();
    tokio::spawn(async move {
        let leadership = elector.campaign(Candidate::new("bench")?).await?;
        Ok((leadership, clock::now_ns()))
    })
}
