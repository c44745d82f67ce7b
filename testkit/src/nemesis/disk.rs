//! A disk that is full.

use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use rand::{Rng, rngs::StdRng};

use super::{Aim, Exercise, Nemesis, Struck, kill::names};
use crate::{ground::Ground, poll::until};

/// Fills the disk of a Raft member, half of the time that of the Raft leader, and empties it again.
pub(super) struct FullDisk {
    pub(super) rng: StdRng,
    pub(super) server: Option<usize>,
}

/// What the kernel says, as members log it.
const COMPLAINT: &str = "No space left on device";

/// A member writes little, and mostly into what its store has claimed before: a snapshot needs a new file.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

impl FullDisk {
    fn file(ground: &Ground, server: usize) -> Result<String> {
        let data = ground.service().data(server).context("its servers have no disks of their own")?;
        Ok(data.join("filler").display().to_string())
    }
}

#[async_trait]
impl Nemesis for FullDisk {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let server = match self.rng.random_bool(0.5) {
            true => ground.service().leader().await?,
            false => self.rng.random_range(0..ground.servers().len()),
        };
        self.server = Some(server);
        Ok(Aim { target: format!("the disk of {}", names(ground, &[server])), ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        let Some(server) = self.server else { return Ok(()) };
        let output = format!("of={}", Self::file(ground, server)?);
        match ground.servers()[server].run("dd", &["if=/dev/zero", &output, "bs=16k"]) {
            Err(error) if format!("{error:#}").contains(COMPLAINT) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => anyhow::bail!("the disk has no end"),
        }
    }

    async fn hold(&mut self, ground: &Ground, lasts: Duration) -> Result<()> {
        tokio::time::sleep(lasts).await;
        let Some(server) = self.server else { return Ok(()) };
        let node = ground.service().node(server);
        let noticed = until("a member to notice", NOTICED_WITHIN, || async {
            Ok(node.output_since_start().contains(COMPLAINT).then_some(()))
        });
        noticed.await
    }

    async fn heal(&mut self, ground: &Ground, _struck: Struck) -> Result<Exercise> {
        let Some(server) = self.server else { return Ok(Exercise::Missed("no server was found".into())) };
        let node = ground.service().node(server);
        ground.servers()[server].run("rm", &["-f", &Self::file(ground, server)?])?;
        let complained = node.output_since_start().contains(COMPLAINT);
        // A member that cannot write ends or stands still, as it must; its supervisor starts it again.
        node.restart()?;
        ground.service().ready().await?;
        Ok(Exercise::when(complained, "the member had nothing to write"))
    }
}
