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

/// Who learns that a connection is over when the link [forgets](super::Proxy::forget) it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Neither end: both go on believing in it.
    #[default]
    Nobody,
    /// The client gets a reset; the server goes on believing in it.
    Client,
    /// The server gets a reset; the client goes on believing in it.
    Server,
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
    /// How often everything open was forgotten: nothing passes on a connection that was born with another number.
    pub(super) forgotten: u64,
    /// Who is told when that happens.
    pub(super) told: Told,
    /// Connections that were born with a lower number of `forgotten` are reset.
    pub(super) reset_below: u64,
}

/// What the link was like when a connection was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    cuts: u64,
    forgotten: u64,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    pub(super) severed: bool,
    pub(super) delay: Duration,
    /// Each chunk has a delay of its own, up to that much longer; those of one connection stay in their order.
    pub(super) jitter: Duration,
}

impl Flow {
    /// How long what comes in now is under way.
    pub(super) fn draw_delay(&self) -> Duration {
        if self.jitter.is_zero() {
            self.delay
        } else {
            self.delay + rand::random_range(Duration::ZERO..=self.jitter)
        }
    }
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

    /// Nothing is held back any more; what was cut stays cut, and what was forgotten is reset.
    pub(super) fn heal(&mut self) {
        let (cuts, forgotten) = (self.cuts, self.forgotten);
        *self = Self { cuts, forgotten, reset_below: forgotten, ..Self::default() };
    }

    /// The present state, for a connection that is accepted now.
    pub(super) fn birth(&self) -> Birth {
        Birth { cuts: self.cuts, forgotten: self.forgotten }
    }

    /// True when both ends of a connection are to be reset.
    pub(super) fn is_over(&self, born: Birth) -> bool {
        self.cuts != born.cuts || born.forgotten < self.reset_below
    }

    /// True when the link knows nothing of a connection that is open.
    pub(super) fn has_forgotten(&self, born: Birth) -> bool {
        self.forgotten != born.forgotten
    }

    /// True when bytes of a connection may pass in that direction.
    pub(super) fn carries(&self, direction: Direction, born: Birth) -> bool {
        !self.flow(direction).severed && !self.has_forgotten(born)
    }

    /// True when what is sent in that direction does not arrive as it should.
    pub(super) fn disturbs(&self, direction: Direction, born: Birth) -> bool {
        let flow = self.flow(direction);
        !self.carries(direction, born) || !flow.delay.is_zero() || !flow.jitter.is_zero()
    }

    /// True when a TCP handshake could complete.
    pub(super) fn is_whole(&self) -> bool {
        !self.to_server.severed && !self.to_client.severed
    }
}
