//! True time, also in a process whose clocks are faked.
//!
//! `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` are one clock for all processes and network namespaces of a host.
//! libfaketime replaces the functions of libc; rustix asks the kernel's vDSO by itself and so is not deceived. Deadlines
//! must be deceived, though: so [`election_core::clock`] has a rustix that goes through libc (the feature `faketime`),
//! and the stamps have another version of it, whose features are its own.
//! That this stays so is not trusted: every recorder compares its clock with `/proc/uptime`, which no library
//! replaces, every second, and fails when they differ.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix_true::time::{ClockId, clock_gettime};

/// The kernel counts `/proc/uptime` in hundredths of a second, and we may be interrupted between the two looks.
const UPTIME_TOLERANCE: Duration = Duration::from_millis(40);

/// One moment on both clocks of the host, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `CLOCK_MONOTONIC`: what instants of different processes are compared on.
    pub mono_ns: u64,
    /// `CLOCK_BOOTTIME`: the same, and the time in suspend.
    pub boot_ns: u64,
}

impl Stamp {
    /// The present moment.
    #[must_use]
    pub fn now() -> Self {
        Self { mono_ns: read(ClockId::Monotonic), boot_ns: read(ClockId::Boottime) }
    }
}

fn read(id: ClockId) -> u64 {
    let time = clock_gettime(id);
    // Neither field is negative: the kernel counts from boot.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The wall clock as this process is told it, since 1970: through libc, where libfaketime may lie. No stamp.
pub(crate) fn wall_ns() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "it is recorded to show that nothing else depends on it")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Compares `CLOCK_BOOTTIME` with `/proc/uptime`.
pub(super) fn prove() -> Result<()> {
    let tolerance = UPTIME_TOLERANCE.as_nanos() as u64;
    let mut last = (0, 0, 0);
    // A pause between two looks only widens the bracket; the attempts are for a hundredth that was just beginning.
    for _ in 0..3 {
        let before = Stamp::now().boot_ns;
        let uptime = uptime()?;
        let after = Stamp::now().boot_ns;
        if uptime + tolerance >= before && uptime <= after + tolerance {
            return Ok(());
        }
        last = (before, uptime, after);
    }
    bail!(
        "the clocks of this process are faked: CLOCK_BOOTTIME, /proc/uptime and CLOCK_BOOTTIME say {last:?} ns, and \
         stamps must be true: rustix 0.38 must not be built with use-libc"
    )
}

fn uptime() -> Result<u64> {
    let text = fs::read_to_string("/proc/uptime").context("cannot read /proc/uptime")?;
    let seconds = text.split(' ').next().unwrap_or_default();
    let (whole, hundredths) = seconds.split_once('.').context("/proc/uptime has no number")?;
    Ok(whole.parse::<u64>()? * 1_000_000_000 + hundredths.parse::<u64>()? * 10_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamps_are_the_kernels() {
        prove().unwrap();
        let (a, b) = (Stamp::now(), Stamp::now());
        assert!(a.mono_ns <= b.mono_ns && a.boot_ns <= b.boot_ns);
    }
}
