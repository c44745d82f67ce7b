//! [`Subject`]: whose figure it is, as the benches name them: `etcd-1`, `zk-fast-3`, `raft-3-raw`, `memory`.

/// A backend on so many servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) backend: Backend,
    pub(crate) tuned: bool,
    pub(crate) servers: u32,
}

/// In the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Backend {
    Etcd,
    Zk,
    Raft,
    Memory,
    /// No backend: the disk, the loopback, another implementation.
    Other(String),
}

impl Backend {
    /// Those that a chooser chooses from.
    pub(crate) const CHOICES: [Self; 3] = [Self::Etcd, Self::Zk, Self::Raft];

    /// Those with servers of their own.
    pub(crate) const SERVERS: [Self; 2] = [Self::Etcd, Self::Zk];

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Etcd => "etcd",
            Self::Zk => "ZooKeeper",
            Self::Raft => "Raft",
            Self::Memory => "memory",
            Self::Other(name) => name,
        }
    }

    /// For a style sheet.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Zk => "zk",
            Self::Raft => "raft",
            Self::Memory | Self::Other(_) => "other",
        }
    }
}

impl Subject {
    pub(crate) fn parse(name: &str) -> Self {
        let name = name.strip_suffix("-raw").unwrap_or(name);
        let (rest, servers) = match name.rsplit_once('-') {
            Some((rest, count)) if count.parse::<u32>().is_ok() => (rest, count.parse().unwrap_or(1)),
            _ => (name, 1),
        };
        let (rest, tuned) = rest.strip_suffix("-fast").map_or((rest, false), |rest| (rest, true));
        let backend = match rest {
            "etcd" => Backend::Etcd,
            "zk" => Backend::Zk,
            "raft" => Backend::Raft,
            "memory" => Backend::Memory,
            other => Backend::Other(other.to_owned()),
        };
        Self { backend, tuned, servers }
    }

    /// What follows the backend's name: `3 servers, tuned`.
    pub(crate) fn detail(&self) -> String {
        let what = match (&self.backend, self.servers) {
            (Backend::Memory, _) | (Backend::Other(_), 1) => return String::new(),
            (Backend::Raft, 1) => "1 member".to_owned(),
            (Backend::Raft | Backend::Other(_), n) => format!("{n} members"),
            (_, 1) => "1 server".to_owned(),
            (_, n) => format!("{n} servers"),
        };
        if self.tuned { format!("{what}, tuned") } else { what }
    }

    /// Both.
    pub(crate) fn title(&self) -> String {
        let detail = self.detail();
        let name = self.backend.name();
        if detail.is_empty() { name.to_owned() } else { format!("{name}, {detail}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_benches_are_understood() {
        for (name, title) in [
            ("etcd-1", "etcd, 1 server"),
            ("zk-fast-3", "ZooKeeper, 3 servers, tuned"),
            ("raft-3-raw", "Raft, 3 members"),
            ("memory", "memory"),
            ("loopback", "loopback"),
            ("hashicorp-raft-3", "hashicorp-raft, 3 members"),
        ] {
            assert_eq!(Subject::parse(name).title(), title);
        }
    }
}
