//! [`Disk`]: the simulated disk, as the simulation handles it.

use std::sync::Arc;

use crate::store::simulated::{Faults, SimulatedDisk};
use crate::store::{Directory, Store, StoreError};

/// The disk of one member. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(SimulatedDisk);

impl Disk {
    pub(crate) fn open(&self, cluster: &str, node: u64) -> Result<Store, StoreError> {
        let directory: Arc<dyn Directory> = Arc::new(self.0.clone());
        Store::on(directory, cluster, node)
    }

    /// The disk after its process was killed now: what it wrote is there, synced or not.
    #[must_use]
    pub fn killed(&self) -> Self {
        Self(self.0.killed())
    }

    /// The disk after the power went now: what was not synced is there, not there, or there in part, as `seed` says.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> Self {
        Self(self.0.after_power_loss(seed))
    }

    /// Lets the power go in the middle of the `step`th write, sync or change of a name from now.
    pub fn lose_power_at(&self, step: u64) {
        self.0.with(Faults { power_loss_at: Some(step), ..Faults::default() });
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.is_dead()
    }

    /// From now on there is no room for writes, or there is again.
    pub fn set_full(&self, full: bool) {
        self.0.with(Faults { full_at: full.then_some(0), ..Faults::default() });
    }
}
