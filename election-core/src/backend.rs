//! What authors of backends build on.
//!
//! - [`SessionState`]: the deadline that all leaderships of a session share. One task owns the session,
//!   renews it and calls [`prove`](SessionState::prove) with the instant taken **before** the request was
//!   sent; it closes the session in the service and opens another one after an end.
//! - [`Leadership::new`](crate::Leadership::new) with its [`Release`].
//! - [`Sequence`]: what every observe stream passes through.
//! - [`url`]: what is the same in every backend's URL.

pub mod url;

use crate::event::{Leader, LeaderEvent};
use crate::token::FencingToken;

pub use crate::leadership::Release;
pub use crate::session::SessionState;

/// Keeps the promises of one observe stream: no token below one already shown, no state twice in a row.
#[derive(Debug, Default)]
pub struct Sequence {
    last: Option<LeaderEvent>,
    highest: Option<FencingToken>,
    leader: Option<Leader>,
}

impl Sequence {
    /// The event, if the observer is to see it.
    pub fn admit(&mut self, event: LeaderEvent) -> Option<LeaderEvent> {
        if let LeaderEvent::Elected(leader) = &event {
            let late = self.highest.is_some_and(|highest| leader.token < highest);
            #[cfg(zoo)]
            let late = late && !crate::zoo::planted("late-watch-event-applied");
            if late {
                return None;
            }
            self.highest = Some(leader.token);
            self.leader = Some(leader.clone());
        }
        let repeated = match (&self.last, &event) {
            // One outage is one event, however many attempts fail.
            (Some(LeaderEvent::Disconnected { .. }), LeaderEvent::Disconnected { .. }) => true,
            (Some(last), event) => last == event,
            (None, _) => false,
        };
        if repeated {
            return None;
        }
        self.last = Some(event.clone());
        Some(event)
    }

    /// The last leader shown, for [`LeaderEvent::Disconnected`].
    #[must_use]
    pub fn last_leader(&self) -> Option<&Leader> {
        self.leader.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;

    fn elected(token: u64) -> LeaderEvent {
        LeaderEvent::Elected(Leader {
            id: "c".into(),
            value: bytes::Bytes::new(),
            token: FencingToken::new(token),
        })
    }

    #[test]
    fn tokens_never_decrease_and_nothing_is_said_twice() {
        let mut sequence = Sequence::default();
        assert!(sequence.admit(LeaderEvent::Vacant).is_some());
        assert!(sequence.admit(LeaderEvent::Vacant).is_none());
        assert!(sequence.admit(elected(5)).is_some());
        assert!(sequence.admit(elected(4)).is_none());
        let gone = LeaderEvent::Disconnected { since: Instant::from_nanos(1), last: None };
        let still = LeaderEvent::Disconnected { since: Instant::from_nanos(2), last: None };
        assert!(sequence.admit(gone).is_some());
        assert!(sequence.admit(still).is_none());
        assert!(sequence.admit(elected(5)).is_some());
        assert_eq!(sequence.last_leader().unwrap().token, FencingToken::new(5));
    }
}
