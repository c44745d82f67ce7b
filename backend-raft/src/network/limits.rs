//! What a node puts up with. Everything that waits does so in a bounded queue; what is beyond a limit is told
//! so, in an error that names the limit.
//!
//! | limit | what happens beyond it |
//! | --- | --- |
//! | bytes of a message | the connection is ended, with a last word |
//! | connections, in all and per origin | a new one is refused |
//! | connections that have not greeted yet, in all and per address | a new one is closed |
//! | new connections per address and second | a new one is closed |
//! | requests and bytes under way per connection | its further ones wait in its own socket |
//! | bytes of requests under way per origin | a new one is refused, but for renewals |
//! | lists under way per connection, and per origin | further ones wait |
//! | bytes of long answers that wait to be written per connection, and per origin | further ones wait before they are encoded |
//! | streams per connection | a new one is refused |
//! | backups that are being handed out | a new one is refused |
//! | requests under way in the log, in all and per origin | they wait, first come first served |
//!
//! Sessions, candidacies, elections, waiters and values are bounded by the state machine, in every member
//! alike: see `state_machine/state.rs`. An origin is a certificate's name or, without encryption, an address.

use std::time::Duration;

/// The longest greeting, in bytes.
pub(crate) const MAX_HELLO: usize = 1024;
/// The longest message of a client, in bytes: a campaign with its value.
pub(crate) const MAX_CLIENT: usize = 128 * 1024;
/// The longest message between members, and from a node to a client, in bytes.
pub(crate) const MAX_MEMBER: usize = 8 * 1024 * 1024;

/// How many frames may wait to be written before whoever sends has to wait.
pub(crate) const BACKLOG: usize = 1024;
/// The most bytes in the long frames of a connection that wait to be written.
pub(crate) const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The same of one client's origin. A connection that is not read gives its part back after [`STALLED`].
pub(crate) const ANSWER_BYTES_PER_ORIGIN: usize = 64 * 1024 * 1024;
/// The longest frame that does not count among them: it takes no more than the request or the stream that it answers,
/// and a renewal's must not wait behind all the long ones.
pub(crate) const SHORT: usize = 1024;
/// How many bytes of frames are gathered for one write.
pub(crate) const GATHERED: usize = 16 * 1024;
/// How long a fresh connection may take until its greeting is complete, encryption included.
pub(crate) const GREETING: Duration = Duration::from_secs(2);
/// A connection that says nothing for so long is dead; a message that has begun must end within so long.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);
/// How long the other end may refuse to take what is sent to it.
pub(crate) const STALLED: Duration = Duration::from_secs(10);

/// The most requests of one connection at once.
pub(crate) const REQUESTS: usize = 1024;
/// The most bytes in the requests of one client's connection at once.
pub(crate) const REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// The same of one client's origin.
pub(crate) const REQUEST_BYTES_PER_ORIGIN: usize = 64 * 1024 * 1024;
/// The most lists of one connection that are made and not sent yet: queues, elections, the candidacies of a session. Each
/// may have some MiB, and is made whole before its length is known.
pub(crate) const LISTS: usize = 4;
/// The same of one client's origin.
pub(crate) const LISTS_PER_ORIGIN: usize = 16;
/// The most backups that a node hands out at once. Each has the whole state in it.
pub(crate) const BACKUPS: usize = 2;
/// The most streams of one connection.
pub(crate) const STREAMS: usize = 16 * 1024;
/// The most requests that wait for the log at once: it is what a renewal may find in front of it.
pub(crate) const TURNS: usize = 2048;
/// The same of one origin.
pub(crate) const TURNS_PER_ORIGIN: usize = 256;

/// How many connections are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Of clients.
    pub(crate) clients: usize,
    /// Of one client's origin.
    pub(crate) per_origin: usize,
    /// Of one member.
    pub(crate) per_member: usize,
    /// That have not greeted yet.
    pub(crate) ungreeted: usize,
    /// The same, from one address.
    pub(crate) ungreeted_per_address: usize,
    /// New ones from one address: so many at once, then so many per second.
    pub(crate) burst: u32,
    /// See `burst`.
    pub(crate) per_second: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            clients: 4096,
            per_origin: 2048,
            per_member: 32,
            ungreeted: 1024,
            ungreeted_per_address: 512,
            burst: 2048,
            per_second: 500,
        }
    }
}

impl Connections {
    /// The default, or less if the process may not open so many files: a node that runs out of them can no
    /// longer reach the other members.
    pub(crate) fn fitting() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        let limits = Self::default().within(files);
        if limits != Self::default() {
            tracing::info!(
                files,
                connections = limits.clients,
                "this process may open few files, so fewer connections are accepted: raise LimitNOFILE, or \
                 ulimit -n, to 16384"
            );
        }
        limits
    }

    /// No more than half of `files`, taken together.
    fn within(self, files: usize) -> Self {
        let clients = self.clients.min(files / 3);
        let ungreeted = self.ungreeted.min(files / 6);
        Self {
            clients,
            ungreeted,
            per_origin: self.per_origin.min(clients / 2),
            ungreeted_per_address: self.ungreeted_per_address.min(ungreeted / 2),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_all_the_files() {
        assert_eq!(Connections::default().within(usize::MAX), Connections::default());
        let few = Connections::default().within(1024);
        assert!(few.clients + few.ungreeted <= 512 && few.per_origin < few.clients, "{few:?}");
        assert!(few.ungreeted_per_address < few.ungreeted, "{few:?}");
    }
}
