//! Other people's candidates and observers, and ours, in one election: `etcdctl elect` (Go's `concurrency.Election`) and
//! Apache Curator's `LeaderLatch`.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk"))]

mod curator;
mod etcd;
mod laws;
mod ours;
