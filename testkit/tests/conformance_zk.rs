//! The laws on one ZooKeeper server.
#![forbid(unsafe_code)]
#![cfg(feature = "zk")]

use election_core::conformance::conformance_tests;
use testkit::fixture::ZkService;

conformance_tests!(ZkService::single);
