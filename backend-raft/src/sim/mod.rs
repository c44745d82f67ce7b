//! The seams of the simulation: what a member or a client takes from its machine, given by a [`Host`] instead.
//!
//! Compiled only with the feature `sim`, which the crate `sim` alone asks for; `cargo xtask check` sees to it that no
//! shipped crate has it. Also in a build with it nothing is different outside of [`within`]: the seams ask for the
//! host of the process that runs on this thread, and there is none.

mod disk;
mod ledger;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub use disk::Disk;
pub use ledger::{Ledger, Record};
pub(crate) use ledger::{applied, digest, installed, took_office, voted};

/// Both directions of a connection.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub type Stream = Box<dyn Io>;

/// The connections that arrive where a member listens, and where each comes from.
pub type Arrivals = mpsc::UnboundedReceiver<(Stream, IpAddr)>;

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// The machine under one process.
pub trait Host: Send + Sync {
    /// Connects to `host:port`.
    fn connect(&self, address: &str) -> Connecting;

    /// Listens at `host:port`.
    ///
    /// # Errors
    /// When the address is in use.
    fn listen(&self, address: &str) -> io::Result<Arrivals>;

    /// What the member's data directory is on.
    fn disk(&self) -> Disk;

    /// How long the next write to the disk takes.
    fn disk_delay(&self) -> Duration;

    /// Where the group's doings are written down, and the id of this member in it.
    fn ledger(&self) -> (Arc<Ledger>, u64);

    /// This member gives its vote to another one, which was not asked to stand by the leader.
    fn votes(&self);
}

thread_local! {
    static HOST: RefCell<Option<Arc<dyn Host>>> = const { RefCell::new(None) };
}

/// Runs `work` as the process on that host, on this thread.
pub fn within<T>(host: Arc<dyn Host>, work: impl FnOnce() -> T) -> T {
    let before = HOST.replace(Some(host));
    let done = work();
    HOST.set(before);
    done
}

/// The host of the process that runs on this thread; `None` if it is a real one.
pub(crate) fn host() -> Option<Arc<dyn Host>> {
    HOST.with_borrow(Clone::clone)
}
