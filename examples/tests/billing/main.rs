//! `billing` as its users run it: the binary, its processes, its exit status; and its databases, read here
//! without its own code.
#![cfg(any(feature = "etcd", feature = "raft", feature = "zk"))]

mod audit;
mod crash;
mod faults;
mod lifecycle;
mod run;
#[cfg(any(feature = "etcd", feature = "zk"))]
mod servers;
