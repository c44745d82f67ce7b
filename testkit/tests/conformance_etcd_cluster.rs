//! The laws on three etcd servers.
#![forbid(unsafe_code)]
#![cfg(feature = "etcd")]

use election_core::conformance::conformance_tests;
use testkit::fixture::EtcdService;

conformance_tests!(EtcdService::cluster);
