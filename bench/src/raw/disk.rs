//! Durable appends: what a replicated log cannot undercut.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;

use super::Raw;
use crate::clock;

/// About as long as a log entry of an election.
const ENTRY: [u8; 200] = [7; 200];

/// A log without a protocol: append and sync here, the same on the other members over loopback, and a write is
/// committed once a majority has it.
#[derive(Debug)]
pub struct RawDisk {
    log: File,
    followers: Vec<TcpStream>,
    acks: Receiver<u64>,
    written: u64,
}

impl RawDisk {
    /// Opens a log in `folder`, and one more per further member; a thread each keeps those until this is
    /// dropped.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn new(folder: &Path, members: usize) -> Result<Self> {
        let (sender, acks) = channel();
        let follower = |i| follower(log(folder, i)?, sender.clone());
        let followers = (1..members).map(follower).collect::<Result<_>>()?;
        Ok(Self { log: log(folder, 0)?, followers, acks, written: 0 })
    }

    /// How long `count` committed writes take, one after the other.
    ///
    /// # Errors
    /// When the disk or a follower fails.
    pub fn commits(&mut self, count: u64) -> Result<Duration> {
        // Itself not counted: a majority of three is one more.
        let needed = self.followers.len().div_ceil(2);
        let start = clock::now_ns();
        for _ in 0..count {
            self.written += 1;
            for follower in &mut self.followers {
                follower.write_all(&ENTRY)?;
            }
            append(&mut self.log)?;
            let mut acks = 0;
            while acks < needed {
                // The slower follower's answer to an earlier write is no answer to this one.
                acks += usize::from(self.acks.recv().context("a follower failed")? == self.written);
            }
        }
        Ok(clock::since(start))
    }
}

#[async_trait]
impl Raw for RawDisk {
    /// All entries of the moment share one commit, so the number of candidates does not matter.
    async fn rounds(&mut self, _candidates: usize, iters: u64) -> Result<Duration> {
        self.commits(2 * iters)
    }

    /// The push rides on the commit: a member that applies the entry knows.
    async fn pushes(&mut self, iters: u64) -> Result<Duration> {
        self.commits(iters)
    }
}

fn log(folder: &Path, member: usize) -> Result<File> {
    let path = folder.join(format!("raw-log-{member}"));
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))
}

fn append(log: &mut File) -> Result<()> {
    log.write_all(&ENTRY)?;
    Ok(log.sync_data()?)
}

/// A member that appends, syncs and acknowledges what it is sent.
fn follower(mut log: File, acks: Sender<u64>) -> Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let leader = TcpStream::connect(listener.local_addr()?)?;
    let (mut peer, _) = listener.accept()?;
    leader.set_nodelay(true)?;
    peer.set_nodelay(true)?;
    let mut answers = leader.try_clone()?;
    thread::spawn(move || {
        let mut entry = ENTRY;
        while peer.read_exact(&mut entry).is_ok() && append(&mut log).is_ok() && peer.write_all(b"x").is_ok()
        {
        }
    });
    thread::spawn(move || {
        let mut written = 0;
        while answers.read_exact(&mut [0]).is_ok() {
            written += 1;
            if acks.send(written).is_err() {
                return;
            }
        }
    });
    Ok(leader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_on_a_majority_when_it_counts() {
        for members in [1, 3] {
            let folder = testkit::WorkDir::new("raw-").unwrap();
            let mut disk = RawDisk::new(folder.path(), members).unwrap();
            disk.commits(20).unwrap();
            let lengths = (0..members).map(|i| log(folder.path(), i).unwrap().metadata().unwrap().len());
            let whole = lengths.filter(|length| *length >= 20 * 200).count();
            assert!(whole > members / 2, "{whole} of {members}");
        }
    }
}
