//! The benches over every backend, and the driver that outside programs measure our backends with.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`driver`] | the line protocol of the binary `driver` |
//! | [`clock`] | the clock of every figure |
#![forbid(unsafe_code)]

pub mod clock;
pub mod driver;
