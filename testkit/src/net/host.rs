//! [`Host`]: a machine of its own, as far as the network and the disk are concerned.

use std::{fmt, net::IpAddr, path::Path, process::Command};

use anyhow::{Context, Result};

use super::namespace::Namespace;
use crate::proxy::Place;

/// A namespace with an address on the bridge of a [`Net`](super::Net).
///
/// It is gone when it is dropped and the last process on it has ended.
pub struct Host {
    name: String,
    address: IpAddr,
    namespace: Namespace,
}

impl Host {
    pub(super) fn new(name: &str, address: IpAddr) -> Result<Self> {
        let namespace = Namespace::new().with_context(|| format!("cannot make the host {name}"))?;
        Ok(Self { name: name.to_owned(), address, namespace })
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its short name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The same command, on this host. Its program is an absolute path or one to be looked up; its folder is `/`.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        self.namespace.command(command)
    }

    /// Runs one of the machine's tools on this host and returns what it prints.
    ///
    /// # Errors
    ///
    /// When it fails; the message has its words.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        self.namespace.run(program, args, "")
    }

    /// Where proxies have this host's network.
    ///
    /// # Errors
    ///
    /// When the kernel does not let us in.
    pub fn place(&self) -> Result<Place> {
        let namespace = format!("/proc/{}/ns/net", self.namespace.id());
        Place::inside(Path::new(&namespace)).with_context(|| format!("no proxies on {}", self.name))
    }

    /// Puts a disk of that many mebibytes at `folder`, which only processes of this host see. It outlives them, and
    /// ends with the host.
    ///
    /// # Errors
    ///
    /// When `folder` does not exist or nothing can be mounted.
    pub fn mount_disk(&self, folder: &Path, mebibytes: u32) -> Result<()> {
        let (options, folder) = (format!("size={mebibytes}m"), folder.display().to_string());
        self.run("mount", &["-t", "tmpfs", "-o", &options, "testkit", &folder]).map(drop)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
