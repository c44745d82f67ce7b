//! [`Settings`]: what a ground is made of.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::Backend;

/// Our own programs, which run on the hosts.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `testkit-contender`.
    pub contender: PathBuf,
    /// `testkit-raft-node`.
    pub raft_node: PathBuf,
}

impl Programs {
    /// Those that lie beside this program, as cargo puts them.
    ///
    /// # Errors
    ///
    /// When they are not there.
    pub fn beside_us() -> Result<Self> {
        let us = env::current_exe()?;
        let folder = us.parent().context("a program without a folder")?;
        let find = |name: &str| {
            let path = folder.join(name);
            ensure!(path.is_file(), "{} is missing: cargo build -p testkit --bins", path.display());
            Ok(path)
        };
        Ok(Self { contender: find("testkit-contender")?, raft_node: find("testkit-raft-node")? })
    }
}

/// What a [`Ground`](super::Ground) is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which service.
    pub backend: Backend,
    /// Our own programs.
    pub programs: Programs,
    /// Where the histories, the sink and the logs of the workers go. It must exist.
    pub folder: PathBuf,
    /// How many processes contend as clients, each on a host of its own.
    pub contenders: usize,
    /// How many processes observe, each on a host of its own.
    pub observers: usize,
    /// Whether the members of the Raft group contend, too: each embeds its candidate. In a group of three.
    pub members: bool,
    /// Whether leaders lead on until they lose it. Else they resign every few seconds, often before a fault can end what
    /// they have.
    pub steadfast: bool,
    /// Decides what the workers leave to chance.
    pub seed: u64,
}

impl Settings {
    /// Four contenders and two observers.
    #[must_use]
    pub fn new(backend: Backend, programs: Programs, folder: &Path, seed: u64) -> Self {
        Self {
            backend,
            programs,
            folder: folder.to_owned(),
            contenders: 4,
            observers: 2,
            members: false,
            steadfast: false,
            seed,
        }
    }

    /// Three members that contend, two processes that contend as their clients, and two observers.
    #[must_use]
    pub fn with_members(self) -> Self {
        Self { contenders: 2, members: true, ..self }
    }

    /// The same with leaders that lead on until they lose it.
    #[must_use]
    pub fn steadfast(self) -> Self {
        Self { steadfast: true, ..self }
    }

    /// The folder of all `*.jsonl` files.
    #[must_use]
    pub fn histories(&self) -> PathBuf {
        self.folder.join("history")
    }

    /// What the contenders write their work to.
    #[must_use]
    pub fn sink(&self) -> PathBuf {
        self.folder.join("sink.sqlite")
    }
}
