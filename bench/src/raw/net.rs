//! A round trip over loopback TCP: what no request can undercut.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::clock;

/// Two ends of a loopback connection, one of which answers.
#[derive(Debug)]
pub struct Loopback(TcpStream);

impl Loopback {
    /// Connects, and starts the thread that answers; it ends with the connection.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        peer.set_nodelay(true)?;
        thread::spawn(move || {
            let mut byte = [0];
            while peer.read_exact(&mut byte).and_then(|()| peer.write_all(&byte)).is_ok() {}
        });
        Ok(Self(stream))
    }

    /// How long `iters` round trips take.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn round_trips(&mut self, iters: u64) -> Result<Duration> {
        let start = clock::now_ns();
        for _ in 0..iters {
            self.0.write_all(b"x")?;
            self.0.read_exact(&mut [0])?;
        }
        Ok(clock::since(start))
    }
}
