//! The laws on an embedded Raft group of three processes, with TLS between them and for their clients.
#![forbid(unsafe_code)]
#![cfg(feature = "raft")]

use election_core::conformance::{Fixture, Needs, conformance_tests};
use testkit::fixture::RaftService;

async fn group(needs: Needs) -> Option<impl Fixture> {
    RaftService::group(needs, env!("CARGO_BIN_EXE_testkit-raft-node")).await
}

conformance_tests!(group);
