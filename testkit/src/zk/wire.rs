//! Ending somebody else's session, as if it had expired.
//!
//! ZooKeeper has no command for it. The way known from its own tests is to attach to the session from a second
//! connection and to close it there. That takes the session's password; the server does not store passwords but
//! computes them from the session's id with a constant that is in its source, and so do we.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// `ZooKeeperServer.superSecret`.
const SUPER_SECRET: i64 = 0xB341_5C00;

const OP_CLOSE_SESSION: i32 = -11;
const OP_AUTH: i32 = 100;
const XID_AUTH: i32 = -4;

/// The largest frame that a server sends for the three requests made here.
const LARGEST_FRAME: usize = 4096;

/// A bound for the whole business.
const DONE_WITHIN: Duration = Duration::from_secs(20);

/// Closes the session. The server removes its ephemeral znodes at once, and its owner learns at the next attempt to
/// reconnect that the session has expired.
///
/// Attaching makes the server drop the owner's connection; the owner reconnects, and that drops ours, perhaps before
/// the close was read. So this goes on until the server says that there is no such session.
pub(super) async fn close_session(server: SocketAddr, session: i64, digest: Option<&str>) -> Result<()> {
    let end = async {
        ensure!(
            attach_and_close(server, session, digest).await? != Some(false),
            "session {session:#x} has ended already"
        );
        while attach_and_close(server, session, digest).await? != Some(false) {}
        Ok(())
    };
    timeout(DONE_WITHIN, end).await?
}

/// Asks for both at once, to give the owner the least time to come between. Tells whether there was such a session;
/// `None` when the connection was dropped first.
async fn attach_and_close(server: SocketAddr, session: i64, digest: Option<&str>) -> Result<Option<bool>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut requests = bytes(&connect_request(session));
    requests.extend(digest.iter().flat_map(|digest| bytes(&auth_request(digest))));
    requests.extend(bytes(&[1_i32.to_be_bytes(), OP_CLOSE_SESSION.to_be_bytes()].concat()));
    stream.write_all(&requests).await?;
    let Ok(answer) = receive(&mut stream).await else { return Ok(None) };
    // protocolVersion: int, timeOut: int, sessionId: long. An unknown session is answered with zeros.
    let timeout = answer.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    // The server answers what was asked and hangs up, or just hangs up.
    while receive(&mut stream).await.is_ok() {}
    Ok(timeout.map(|timeout| timeout > 0))
}

fn connect_request(session: i64) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(0_i32.to_be_bytes()); // protocolVersion
    request.extend(0_i64.to_be_bytes()); // lastZxidSeen: we have seen nothing
    request.extend(30_000_i32.to_be_bytes()); // timeOut
    request.extend(session.to_be_bytes());
    request.extend(bytes(&password(session)));
    request.push(0); // readOnly
    request
}

fn auth_request(digest: &str) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(XID_AUTH.to_be_bytes());
    request.extend(OP_AUTH.to_be_bytes());
    request.extend(0_i32.to_be_bytes());
    request.extend(bytes(b"digest"));
    request.extend(bytes(digest.as_bytes()));
    request
}

/// Jute's encoding of a buffer or string.
fn bytes(content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(content.len()).unwrap_or(i32::MAX);
    [&length.to_be_bytes(), content].concat()
}

async fn receive(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let length = usize::try_from(stream.read_i32().await?)?;
    if length > LARGEST_FRAME {
        bail!("a frame of {length} bytes");
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

/// What `ZooKeeperServer.generatePasswd` computes: the first 16 bytes of `java.util.Random`.
fn password(session: i64) -> [u8; 16] {
    let mut random = JavaRandom::new(session ^ SUPER_SECRET);
    let mut password = [0; 16];
    for chunk in password.chunks_mut(4) {
        // `Random.nextBytes` takes the lowest byte of each int first.
        chunk.copy_from_slice(&random.next_int().to_le_bytes());
    }
    password
}

/// The linear congruential generator that the documentation of `java.util.Random` prescribes.
struct JavaRandom(i64);

impl JavaRandom {
    const MULTIPLIER: i64 = 0x5_DEEC_E66D;
    const MASK: i64 = (1 << 48) - 1;

    fn new(seed: i64) -> Self {
        Self((seed ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn next_int(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        // The cast keeps the low 32 bits, as Java's does.
        (self.0 >> 16) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_javas() {
        let mut random = JavaRandom::new(42);
        // new java.util.Random(42).nextInt(), twice.
        assert_eq!(random.next_int(), -1_170_105_035);
        assert_eq!(random.next_int(), 234_785_527);
    }
}
