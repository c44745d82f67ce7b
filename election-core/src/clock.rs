//! The suspend-aware clock: the only place in the project that reads one.
//!
//! A deadline is compared with `CLOCK_BOOTTIME`, which goes on counting while the machine is suspended.
//! [`std::time::Instant`] is `CLOCK_MONOTONIC` on Linux and stands still in suspend, so a laptop (or a
//! virtual machine) that slept for an hour would wake up believing that its leadership is one second old.
//! No wall clock is read anywhere: it can be stepped by an hour in either direction.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on a [`Clock`]: nanoseconds since an origin that only that clock knows.
///
/// Instants of different clocks, or of different machines, must not be compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The present moment on [`BootClock`].
    #[must_use]
    pub fn now() -> Self {
        BootClock.now()
    }

    /// The moment `nanos` nanoseconds after the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin (on [`BootClock`]: since the machine booted).
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is the later one.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after the clock's origin", Duration::from_nanos(self.0))
    }
}

/// A source of [`Instant`]s that never goes back and counts the time spent in suspend.
///
/// A trait so that tests can run on [`TokioClock`] (paused time) or [`ManualClock`]; production uses
/// [`BootClock`].
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Instant;
}

/// `CLOCK_BOOTTIME`, read through the vDSO: no system call.
///
/// On systems other than Linux the monotonic clock is read, which on macOS and the BSDs also counts suspend.
#[derive(Debug, Clone, Copy, Default)]
pub struct BootClock;

impl Clock for BootClock {
    fn now(&self) -> Instant {
        #[cfg(feature = "sim")]
        if let Some(now) = crate::sim::now() {
            return now;
        }
        #[cfg(target_os = "linux")]
        const ID: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const ID: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        #[cfg(zoo)]
        if crate::zoo::planted("monotonic-clock") {
            let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            return Instant(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64);
        }
        #[cfg(zoo)]
        if crate::zoo::planted("wall-clock") {
            let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
            return Instant(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64);
        }
        let t = rustix::time::clock_gettime(ID);
        // Neither field is negative: the kernel counts from boot.
        Instant(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
    }
}

/// Tokio's clock, for tests that pause and advance it.
///
/// Not for production: it is `CLOCK_MONOTONIC` and stands still in suspend.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    origin: tokio::time::Instant,
}

impl TokioClock {
    /// A clock whose origin lies one hour before the present moment of tokio's clock.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        // An hour, so that `now() - ttl` does not saturate at the origin.
        Instant(0) + Duration::from_secs(3600) + self.origin.elapsed()
    }
}

/// A clock that moves only when told to: it shows what a suspend of an hour does in a test of a microsecond.
#[derive(Debug)]
pub struct ManualClock {
    nanos: std::sync::atomic::AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub const fn new(start: Instant) -> Self {
        Self { nanos: std::sync::atomic::AtomicU64::new(start.0) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(by, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant(self.nanos.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_advances_and_agrees_with_the_kernel() {
        let a = Instant::now();
        let uptime: f64 =
            std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
        let b = Instant::now();
        assert!(a < b);
        // /proc/uptime is CLOCK_BOOTTIME in hundredths of a second.
        assert!((uptime - a.as_nanos() as f64 / 1e9).abs() < 1.0);
    }

    /// A suspend cannot be had in a test, but a time namespace whose boot clock is an hour ahead can: what differs
    /// there is what differs after an hour of suspend. Run by the test below in such a namespace.
    #[test]
    #[ignore = "run by a_clock_that_stood_still_in_suspend_would_be_noticed"]
    fn in_a_namespace_that_has_slept_for_an_hour() {
        let monotonic = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
        let slept = Instant::now().as_nanos() / 1_000_000_000 - monotonic.unsigned_abs();
        assert!(slept >= 3600, "{slept} s");
    }

    #[test]
    fn a_clock_that_stood_still_in_suspend_would_be_noticed() {
        let namespace = |program: &std::path::Path, arguments: &[&str]| {
            let mut unshare = std::process::Command::new("unshare");
            unshare
                .args(["--time", "--boottime", "3600", "--fork", "--"])
                .arg(program)
                .args(arguments)
                .output()
        };
        let possible = namespace("true".as_ref(), &[]).is_ok_and(|output| output.status.success());
        if !possible {
            assert!(
                std::env::var_os("CI").is_none(),
                "no time namespaces: run as root on Linux 5.6 or newer"
            );
            eprintln!("skipped: no time namespaces (they need root and Linux 5.6)");
            return;
        }
        let test = "clock::tests::in_a_namespace_that_has_slept_for_an_hour";
        let arguments = ["--exact", test, "--ignored", "--nocapture"];
        let output = namespace(&std::env::current_exe().unwrap(), &arguments).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant(5) - Duration::from_secs(1), Instant(0));
        assert_eq!(Instant(5) + Duration::MAX, Instant(u64::MAX));
        assert_eq!(Instant(5).saturating_duration_since(Instant(9)), Duration::ZERO);
    }
}
