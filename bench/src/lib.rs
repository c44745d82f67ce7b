//! The benches over every backend, and the driver that outside programs measure our backends with.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`driver`] | the line protocol of the binary `driver` |
//! | [`suite`] | the benches of one target, run by criterion, and the closing table of ratios |
//! | [`rig`] | what is measured: a backend on one or three servers, which it starts itself |
//! | [`raw`] | the raw limit of the same servers, disk and loopback |
//! | [`rival`] | hashicorp/raft, measured beside our own Raft |
//! | [`relay`], [`takeover`], [`worker`] | two candidates that hand over; a leader that fails; processes that can be killed |
//! | [`soak`] | elections come and go, and the process must stay as it was |
//! | [`memory`] | what this process holds: bytes, tasks, files, threads |
//! | [`clock`] | the clock of every figure |
//!
//! `cargo bench -p bench --features etcd,zk,raft` measures everything, `cargo test -p bench --all-features` runs
//! each bench once. `BENCH_QUICK=1` takes fewer samples, on single servers; `BENCH_SERVERS=3` measures
//! groups of three only; a filter after `--` picks figures by name, e.g. `cycle/etcd`. `cargo xtask report` makes a page of it.
#![forbid(unsafe_code)]

pub mod clock;
pub mod driver;
pub mod memory;
pub mod raw;
pub mod relay;
pub mod rig;
pub mod rival;
pub mod soak;
pub mod suite;
pub mod takeover;
pub mod worker;
