//! The one clock of every figure: `CLOCK_MONOTONIC`.
//!
//! It is the same for all processes of a machine, so a time taken in a worker and one taken in the process
//! that killed its rival can be subtracted. (The library's own deadlines use the suspend-aware clock; a
//! benchmark wants the one that outside programs can read too.)

use std::time::Duration;

/// The present moment: nanoseconds of `CLOCK_MONOTONIC`.
#[must_use]
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // Neither field is negative: the kernel counts from boot.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The time that has passed since `start`; zero if it lies ahead.
#[must_use]
pub fn since(start: u64) -> Duration {
    Duration::from_nanos(now_ns().saturating_sub(start))
}

/// Seconds since 1970 on the wall clock: a date for a reader, which nothing is computed from.
#[must_use]
pub fn unix_seconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    u64::try_from(now.tv_sec).unwrap_or_default()
}
