//! What an observer sees.

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::clock::Instant;
use crate::error::Error;
use crate::token::FencingToken;

/// The present leader of an election, as its observers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The candidate's id. For a candidate of another client (`etcdctl elect`, Curator's `LeaderLatch`) it
    /// is the name of its record.
    pub id: String,
    /// The candidate's value, byte for byte.
    pub value: Bytes,
    /// The token of this leadership.
    pub token: FencingToken,
}

/// One item of [`Elector::observe`](crate::Elector::observe).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderEvent {
    /// This leader was elected.
    Elected(Leader),
    /// Nobody leads.
    Vacant,
    /// The coordination service cannot be reached; the observer goes on trying by itself.
    ///
    /// The leader may have changed meanwhile: `last` is what was known, not what is.
    Disconnected {
        /// When the observer noticed, on the clock of the coordinator.
        since: Instant,
        /// The last leader seen, if one was seen.
        last: Option<Leader>,
    },
}

impl LeaderEvent {
    /// The leader, if this event says that there is one now.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader> {
        match self {
            Self::Elected(leader) => Some(leader),
            Self::Vacant | Self::Disconnected { .. } => None,
        }
    }
}

/// The stream that [`Elector::observe`](crate::Elector::observe) returns.
pub type LeaderEvents = BoxStream<'static, Result<LeaderEvent, Error>>;
