//! The benches over every backend, and the driver that outside programs measure our backends with.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`driver`] | the line protocol of the binary `driver` |
//! | [`suite`] | the benches of one target, run by criterion, and the closing table of ratios |
//! | [`rig`] | what is measured: a backend on one or three servers, which it starts itself |
//! | [`raw`] | the raw limit of the same servers, disk and loopback |
//! | [`relay`], [`worker`] | two candidates that hand over; processes that can be killed |
//! | [`clock`] | the clock of every figure |
//!
//! `cargo bench -p bench --features etcd,zk,raft` measures everything, `cargo test -p bench --all-features` runs
//! each bench once. `BENCH_SERVERS=1` leaves the groups of three out.
#![forbid(unsafe_code)]

pub mod clock;
pub mod driver;
pub mod raw;
pub mod relay;
pub mod rig;
pub mod suite;
pub mod worker;
