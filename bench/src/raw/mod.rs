//! The raw limits: what the same servers, disk and loopback do when nobody elects anybody.

pub mod disk;
#[cfg(feature = "etcd")]
mod etcd;
pub mod net;
#[cfg(feature = "zk")]
mod zk;

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

/// The raw limit of one rig.
#[async_trait]
pub trait Raw: Send {
    /// How long `iters` rounds take, in each of which `candidates` records are created and deleted,
    /// candidates side by side: the least that a campaign and a resignation of each can cost.
    ///
    /// # Errors
    /// When a request fails.
    async fn rounds(&mut self, candidates: usize, iters: u64) -> Result<Duration>;

    /// From the sending of a delete to the arrival of its event at another client, `iters` times, added up:
    /// the least that a handover, or a notice to an observer, can take.
    ///
    /// # Errors
    /// When a request fails.
    async fn pushes(&mut self, iters: u64) -> Result<Duration>;
}

/// Through `etcd-client`.
///
/// # Errors
/// When etcd does not answer, or the feature `etcd` is off.
pub async fn etcd(endpoints: &[String]) -> Result<Box<dyn Raw>> {
    #[cfg(feature = "etcd")]
    return Ok(Box::new(etcd::RawEtcd::connect(endpoints).await?));
    #[cfg(not(feature = "etcd"))]
    anyhow::bail!("the feature \"etcd\" is off: no raw limit of {endpoints:?}")
}

/// Through `zookeeper-client`.
///
/// # Errors
/// When ZooKeeper does not answer, or the feature `zk` is off.
pub async fn zk(servers: &str) -> Result<Box<dyn Raw>> {
    #[cfg(feature = "zk")]
    return Ok(Box::new(zk::RawZk::connect(servers).await?));
    #[cfg(not(feature = "zk"))]
    anyhow::bail!("the feature \"zk\" is off: no raw limit of {servers}")
}
