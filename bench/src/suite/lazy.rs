//! [`LazyRig`].

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::sync::OnceCell;

use crate::rig::{Counters, Rig, Servers, Setting};

/// A rig that is started when the first bench that criterion selects needs it: see
/// [`Suite::rig`](super::Suite::rig).
pub struct LazyRig {
    setting: Setting,
    driver: PathBuf,
    patient: bool,
    rig: OnceCell<Rig>,
}

impl LazyRig {
    pub(super) fn new(setting: Setting, driver: PathBuf, patient: bool) -> Self {
        Self { setting, driver, patient, rig: OnceCell::new() }
    }

    /// The running servers.
    ///
    /// # Errors
    /// When they cannot be started.
    pub async fn get(&self) -> Result<&Rig> {
        let start = || async {
            let rig = Rig::start(self.setting, &self.driver).await?;
            Ok(if self.patient { rig.patient() } else { rig })
        };
        self.rig.get_or_try_init(start).await
    }

    /// What it will be a rig of.
    #[must_use]
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// The `driver` program.
    #[must_use]
    pub fn driver(&self) -> &Path {
        &self.driver
    }

    /// What its servers have done so far; nothing if there are none. A server that does not tell is no reason to
    /// throw a measurement away.
    pub(super) async fn counters(&self) -> Option<Counters> {
        self.rig.get()?.counters().await.ok()
    }

    pub(super) async fn facts(&self) -> Option<Servers> {
        self.rig.get()?.facts().await.ok()
    }
}
