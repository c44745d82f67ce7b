//! What a test needs from the machine it runs on.
//!
//! A test that does not find its server must not pass silently where it counts: under CI (`CI` is set) it **fails**;
//! on a laptop it says so on the terminal and is skipped.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::net;

/// Something from a Debian package that a test cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The etcd server.
    Etcd,
    /// The command-line client of etcd, for the tests of interoperability.
    Etcdctl,
    /// ZooKeeper's jar and a Java runtime.
    ZooKeeper,
    /// Apache Curator's recipes and a Java compiler, for the tests of interoperability.
    Curator,
    /// Network namespaces: the rights of root, iproute2 and iptables.
    Namespaces,
    /// IPv6 in them.
    Ipv6,
    /// libfaketime, which gives a process a clock of its own.
    Faketime,
}

impl Tool {
    /// The word that the message uses.
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Etcdctl => "etcdctl",
            Self::ZooKeeper => "ZooKeeper",
            Self::Curator => "Curator",
            Self::Namespaces => "network namespaces (they take root's rights)",
            Self::Ipv6 => "IPv6 in network namespaces (the kernel must have it, and they take root's rights)",
            Self::Faketime => "libfaketime",
        }
    }

    /// The Debian packages that bring it.
    fn packages(self) -> &'static str {
        match self {
            Self::Etcd => "etcd-server",
            Self::Etcdctl => "etcd-client",
            Self::ZooKeeper => "libzookeeper-java default-jre-headless",
            Self::Curator => "libcurator-recipes-java default-jdk-headless",
            Self::Namespaces | Self::Ipv6 => "iproute2 iptables util-linux",
            Self::Faketime => "libfaketime",
        }
    }

    /// True when the machine has it.
    #[must_use]
    pub fn is_present(self) -> bool {
        match self {
            Self::Etcd => on_path("etcd").is_some(),
            Self::Etcdctl => on_path("etcdctl").is_some(),
            Self::ZooKeeper => jar("zookeeper").is_some() && on_path("java").is_some(),
            Self::Curator => {
                Self::ZooKeeper.is_present() && jar("curator-recipes").is_some() && on_path("javac").is_some()
            }
            Self::Namespaces => {
                ["ip", "ss", "iptables-restore", "nsenter", "unshare"]
                    .iter()
                    .all(|tool| on_path(tool).is_some())
                    && net::are_allowed()
            }
            Self::Ipv6 => {
                Self::Namespaces.is_present()
                    && on_path("ip6tables-restore").is_some()
                    && Path::new("/proc/sys/net/ipv6").exists()
            }
            Self::Faketime => faketime().is_some(),
        }
    }
}

/// Says whether the test may go on: true when `tool` is there.
///
/// Without it the answer is false, after a line on the terminal (past libtest's capture, which would hide it).
///
/// # Panics
///
/// Under CI, when `tool` is missing.
#[must_use]
pub fn has(tool: Tool) -> bool {
    if tool.is_present() {
        return true;
    }
    let (name, packages) = (tool.name(), tool.packages());
    let cure = format!("apt-get install {packages}, or cargo xtask test");
    assert!(!is_ci(), "this test needs {name}, and under CI it may not be skipped: {cure}");
    // In one write, because tests skip side by side. A terminal that is closed is no reason to fail a test that is
    // skipped anyway.
    let _ = io::stderr().write_all(format!("skipped: no {name} ({cure})\n").as_bytes());
    false
}

/// True when the environment says that this is a CI run.
#[must_use]
pub fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false" && v != "0")
}

/// The full path of a program, looked up as a shell does, and in the folders of the super-user's tools.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The library to preload. Its folder is named after the machine's architecture.
#[must_use]
pub fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}

/// Debian's jar of that name.
#[must_use]
pub fn jar(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/share/java").join(format!("{name}.jar"));
    path.is_file().then_some(path)
}
