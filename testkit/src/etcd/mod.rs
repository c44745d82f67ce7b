//! Real etcd servers: one, or a cluster of three.

#[cfg(feature = "etcd")]
mod admin;
mod http;
mod options;
mod server;

#[cfg(feature = "etcd")]
pub use admin::EtcdAdmin;
pub use options::EtcdOptions;
pub use server::Etcd;
