//! The state of the link that a proxy imitates.

use std::time::Duration;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client under test to the server.
    ToServer,
    /// From the server to the client under test.
    ToClient,
}

/// How bad the link is at the moment.
///
/// It lives in a `watch` channel. A pump looks at it and writes without letting go of the read lock, so when a change
/// has been made no byte passes under the old state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    to_server: Flow,
    to_client: Flow,
    /// How often everything was cut: a connection lives as long as the number it was born with.
    pub(super) cuts: u64,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    pub(super) severed: bool,
    pub(super) delay: Duration,
}

impl Link {
    pub(super) fn flow(&self, direction: Direction) -> &Flow {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    pub(super) fn flow_mut(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Nothing is held back any more; what was cut stays cut.
    pub(super) fn heal(&mut self) {
        *self = Self { cuts: self.cuts, ..Self::default() };
    }

    /// True when a TCP handshake could complete.
    pub(super) fn is_whole(&self) -> bool {
        !self.to_server.severed && !self.to_client.severed
    }
}
