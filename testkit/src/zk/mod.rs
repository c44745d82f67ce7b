//! Real ZooKeeper servers: one, or an ensemble of three.

#[cfg(feature = "zk")]
mod admin;
mod four_letter;
mod launch;
mod options;
mod server;
#[cfg(feature = "zk")]
mod wire;

#[cfg(feature = "zk")]
pub use admin::ZkAdmin;
pub use options::ZkOptions;
pub use server::Zk;
