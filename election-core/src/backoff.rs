//! [`Backoff`]: the growing, jittered delay between two attempts.

use std::time::Duration;

use rand::Rng;

/// Delays that double from `min` to `max`, each drawn evenly from its upper half.
///
/// The jitter keeps a thousand processes that lost their service together from coming back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays from `min` to `max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(self.max);
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts anew after a success.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

/// From 20 ms to 1 s.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(20), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_bound_and_start_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(80));
        for ceiling in [10, 20, 40, 80, 80] {
            let delay = backoff.next_delay();
            assert!(delay <= Duration::from_millis(ceiling) && delay >= Duration::from_millis(ceiling) / 2);
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(10));
    }
}
