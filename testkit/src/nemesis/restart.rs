//! A rolling restart of the servers, as an upgrade does it.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

use super::{Aim, Exercise, Nemesis, Struck};
use crate::{ground::Ground, poll::until};

/// How long a server may take to end in good order. After that it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Ends one server after the other in good order, and goes on when it serves again.
#[derive(Default)]
pub(super) struct RollingRestart {
    restarted: usize,
}

#[async_trait]
impl Nemesis for RollingRestart {
    async fn aim(&mut self, _ground: &Ground) -> Result<Aim> {
        Ok(Aim { target: "all servers, one by one".into(), ..Aim::default() })
    }

    async fn inject(&mut self, _ground: &Ground) -> Result<()> {
        Ok(())
    }

    async fn hold(&mut self, ground: &Ground, _lasts: Duration) -> Result<()> {
        for i in 0..ground.servers().len() {
            let node = ground.service().node(i);
            node.interrupt()?;
            let ended = until("a server to end", ENDS_WITHIN, || async { node.exit_status() });
            // One that does not end by itself is ended by the restart.
            let _ = ended.await;
            node.restart()?;
            ground.service().ready().await?;
            self.restarted += 1;
        }
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let all = ground.servers().len();
        for i in self.restarted..all {
            ground.service().node(i).restart()?;
        }
        ground.service().ready().await?;
        Ok(Exercise::when(self.restarted == all, format!("only {} of {all} were restarted", self.restarted)))
    }
}
