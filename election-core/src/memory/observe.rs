//! What an observer is told, in which order.

use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::sync::watch;

use super::coordinator::MemoryCoordinator;
use super::error::closed;
use crate::backend::Sequence;
use crate::candidate::ElectionName;
use crate::error::{Operation, Result};
use crate::event::{LeaderEvent, LeaderEvents};

enum Phase {
    /// The state is to be read.
    Read,
    /// The state has been read; a change or a broken connection is awaited.
    Wait,
    /// The service is out of reach.
    Down,
    /// The last item has been given.
    End,
}

struct Observer {
    coordinator: Arc<MemoryCoordinator>,
    election: ElectionName,
    /// Subscribed before the first read, so that no change falls between the two.
    changes: watch::Receiver<()>,
    sequence: Sequence,
    phase: Phase,
}

pub(super) fn observe(coordinator: Arc<MemoryCoordinator>, election: ElectionName) -> LeaderEvents {
    let changes = coordinator.link().service().look(|state| state.subscribe(&election));
    let observer =
        Observer { coordinator, election, changes, sequence: Sequence::default(), phase: Phase::Read };
    stream::unfold(observer, |mut observer| async move {
        let item = observer.next().await?;
        Some((item, observer))
    })
    .boxed()
}

impl Observer {
    async fn next(&mut self) -> Option<Result<LeaderEvent>> {
        if matches!(self.phase, Phase::End) {
            return None;
        }
        let coordinator = self.coordinator.clone();
        let event = tokio::select! {
            biased;
            () = coordinator.closed() => None,
            event = self.next_event() => Some(event),
        };
        Some(event.ok_or_else(|| {
            self.phase = Phase::End;
            closed(Operation::Observe).election(&self.election)
        }))
    }

    async fn next_event(&mut self) -> LeaderEvent {
        loop {
            let event = self.step().await;
            if let Some(event) = event.and_then(|event| self.sequence.admit(event)) {
                return event;
            }
        }
    }

    /// Goes to the next phase; what is to be told on the way, if anything.
    async fn step(&mut self) -> Option<LeaderEvent> {
        let link = self.coordinator.link();
        match self.phase {
            Phase::Read => {
                self.changes.mark_unchanged();
                match link.call(|state, _| state.leader(&self.election)).await {
                    Ok(leader) => {
                        self.phase = Phase::Wait;
                        Some(leader.map_or(LeaderEvent::Vacant, LeaderEvent::Elected))
                    }
                    Err(_) => Some(self.disconnected()),
                }
            }
            Phase::Wait => {
                tokio::select! {
                    // Not an error: the election is not forgotten while it has observers.
                    _ = self.changes.changed() => self.phase = Phase::Read,
                    () = link.broken() => return Some(self.disconnected()),
                }
                None
            }
            Phase::Down => {
                link.restored().await;
                self.phase = Phase::Read;
                None
            }
            Phase::End => None,
        }
    }

    fn disconnected(&mut self) -> LeaderEvent {
        self.phase = Phase::Down;
        let since = self.coordinator.link().service().clock().now();
        LeaderEvent::Disconnected { since, last: self.sequence.last_leader().cloned() }
    }
}
