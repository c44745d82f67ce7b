//! The laws on the reference model, in real time: the first backend, and the example of a fixture.
#![allow(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use election_core::conformance::{Fixture, Needs, Process, conformance_tests};
use election_core::memory::{MemoryCoordinator, Service};
use election_core::{Coordinator, ElectionName, FencingToken};

/// Long enough that two busy cores miss no renewal.
const TTL: Duration = Duration::from_millis(600);

struct Memory(Service);

/// Every law has a service of its own: it costs nothing.
async fn memory(_needs: Needs) -> Option<Memory> {
    Some(Memory(Service::builder().ttl(TTL).build().expect("a valid TTL")))
}

#[async_trait]
impl Fixture for Memory {
    async fn process(&self) -> Box<dyn Process> {
        let coordinator = self.0.connect();
        Box::new(MemoryProcess { shared: coordinator.clone(), coordinator })
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    fn takeover_bound(&self) -> Duration {
        TTL + Duration::from_millis(400)
    }

    async fn records(&self, election: &ElectionName) -> usize {
        self.0.records(election)
    }

    async fn watches(&self) -> Option<usize> {
        Some(self.0.observers())
    }

    async fn delete_record(&self, election: &ElectionName, token: FencingToken) {
        assert!(self.0.delete_record(election, token), "no record of {election} has the token {token}");
    }

    async fn delete_last_record(&self, election: &ElectionName) -> bool {
        let last = self.0.tokens(election).pop().expect("somebody waits");
        self.0.delete_record(election, last)
    }

    async fn remove_election(&self, election: &ElectionName) {
        self.0.remove_election(election);
    }

    async fn stop_service(&self) {
        self.0.stop();
    }

    async fn start_service(&self) {
        self.0.start();
    }
}

struct MemoryProcess {
    coordinator: Arc<MemoryCoordinator>,
    shared: Arc<dyn Coordinator>,
}

#[async_trait]
impl Process for MemoryProcess {
    fn coordinator(&self) -> &Arc<dyn Coordinator> {
        &self.shared
    }

    fn sever(&self) {
        self.coordinator.sever();
    }

    async fn heal(&self) {
        self.coordinator.heal();
    }

    fn crash(&self) {
        self.coordinator.crash();
    }

    async fn expire(&self) {
        let expired = async {
            // One that has just been expired opens the next with its next campaign.
            while !self.coordinator.expire() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), expired).await.expect("there is no session to expire");
    }
}

conformance_tests!(memory);
