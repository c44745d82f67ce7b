//! The payment provider: somebody else's service, so it knows invoices and idempotency keys, but no tokens.
//!
//! It runs as a process of its own, keeps what it did in SQLite, and fails on demand in the ways that real
//! ones do: see [`script::Fault`].

pub mod script;
mod server;
pub mod store;

pub use server::{Charge, Control, Receipt, run};
