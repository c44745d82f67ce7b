//! [`Weather`]: what a link does to what is sent over it.

use rand::Rng;
use rand::rngs::StdRng;

/// A millisecond in nanoseconds.
pub(crate) const MILLI: u64 = 1_000_000;

/// One direction of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Nothing passes.
    pub(crate) cut: bool,
    /// The shortest and the longest delay.
    pub(crate) delay: (u64, u64),
    /// How much is lost and sent again.
    pub(crate) loss: f64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { cut: false, delay: (MILLI / 20, MILLI), loss: 0.0 }
    }
}

impl Weather {
    pub(super) fn delay(&self, rng: &mut StdRng) -> u64 {
        rng.random_range(self.delay.0..=self.delay.1)
    }

    pub(super) fn loses(&self, rng: &mut StdRng) -> bool {
        self.loss > 0.0 && rng.random_bool(self.loss)
    }
}

/// How long it takes until what was lost is sent again.
pub(super) fn again(rng: &mut StdRng) -> u64 {
    rng.random_range(10 * MILLI..=60 * MILLI)
}
