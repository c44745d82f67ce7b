//! What this process holds: bytes, tasks, open files, threads.

use std::fs;

use anyhow::{Context, Result};
use peak_alloc::PeakAlloc;
use tokio::runtime::Handle;

/// Counts every byte that is allocated and not given back. The programs that look at it install it:
/// `#[global_allocator] static HEAP: PeakAlloc = memory::HEAP;`.
pub static HEAP: PeakAlloc = PeakAlloc;

/// A look at this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes that Rust code has allocated and not given back; 0 if the program has not installed [`HEAP`].
    pub heap: i64,
    /// Pages that are in memory, in bytes. The allocator keeps some that it does not need.
    pub resident: i64,
    /// Tasks of the runtime that have not ended.
    pub tasks: i64,
    /// Open file descriptors.
    pub files: i64,
    /// Threads.
    pub threads: i64,
}

impl Footprint {
    /// Of now. On a runtime.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let value = line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok());
            value.with_context(|| format!("/proc/self/status has no {name}"))
        };
        Ok(Self {
            heap: i64::try_from(HEAP.current_usage())?,
            resident: field("VmRSS")? * 1024,
            tasks: i64::try_from(Handle::current().metrics().num_alive_tasks())?,
            // The one that reads the folder is in it.
            files: i64::try_from(fs::read_dir("/proc/self/fd")?.count())? - 1,
            threads: field("Threads")?,
        })
    }
}
