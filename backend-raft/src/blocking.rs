//! Work that waits for the disk, away from the threads that answer heartbeats.

use std::io;

/// Runs it on a thread that may wait.
///
/// # Errors
/// Its own; or that it panicked.
pub(crate) async fn run<T, W>(work: W) -> io::Result<T>
where
    T: Send + 'static,
    W: FnOnce() -> io::Result<T> + Send + 'static,
{
    #[cfg(feature = "sim")]
    if let Some(host) = crate::sim::host() {
        // A simulated process has one thread.
        tokio::time::sleep(host.disk_delay()).await;
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
