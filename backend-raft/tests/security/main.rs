//! TLS, certificates, and peers that must not come in, on real nodes.

#[path = "../common/mod.rs"]
mod common;

mod bad_peers;
mod rotation;
mod tls;
