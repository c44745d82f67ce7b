//! The laws on three ZooKeeper servers.
#![forbid(unsafe_code)]
#![cfg(feature = "zk")]

use election_core::conformance::conformance_tests;
use testkit::fixture::ZkService;

conformance_tests!(ZkService::ensemble);
