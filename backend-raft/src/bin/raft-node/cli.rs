//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand};

/// Runs one member of a Raft group, shows a group, and changes its members.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
`raft-node URL` is `raft-node run URL`.

Exit codes: 0 done; 1 it cannot be done so, the message says what to change; 2 the command line is wrong; 3 it cannot
be done now, or it is not known whether it was: the same command again does no harm (status: the group does not work)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs one member.
    ///
    /// Start one on each host, with the same list and its own node, data and certificate: together they form the
    /// group, once. The certificate names the member: node-1.election, where `election` is the cluster's name.
    ///
    /// It prints a line `ready node=1 leader=2` when a Raft leader is known, and stops on SIGTERM or SIGINT after
    /// handing over the Raft leadership.
    ///
    /// Parameters of the URL: node, data, listen, join (yes, wait), replaces, cluster, profile (lan, default, wan),
    /// snapshot_every, keep_entries, ca, cert, key; and plaintext=yes for raft://, without TLS, beyond loopback
    /// addresses. RUST_LOG sets what is logged to standard error (info,openraft=error by default).
    Run {
        /// rafts://h1:7001,h2:7001,h3:7001?node=1&data=/var/lib/raft&ca=ca.pem&cert=node-1.pem&key=node-1.key
        url: String,
        /// Serves the member's metrics there, for Prometheus to scrape: 127.0.0.1:9100, say. It needs a raft-node that
        /// was built with the feature `prometheus`.
        #[arg(long, value_name = "HOST:PORT")]
        metrics: Option<String>,
    },
    /// Shows the members: who leads, who votes, and how far each is behind.
    Status {
        /// As for a client: rafts://h1:7001,h2:7001,h3:7001?ca=ca.pem&cert=ops.pem&key=ops.key
        url: String,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Adds a member, which was started with join=wait (or join=yes, with which it asks by itself).
    Add {
        /// As for `status`; with TLS the certificate of an administrator or of a member.
        url: String,
        /// The new member and its address, as in 4@h4:7001. The id must never have been used before.
        member: Listed,
    },
    /// Removes a member, up or not. Its id can never be used again.
    Remove {
        /// As for `add`.
        url: String,
        /// The member's id.
        node: u64,
        /// Removes it also if too few of the others are up: the group then stands still until they are.
        #[arg(long)]
        force: bool,
    },
    /// Replaces a member, dead or alive, by a new one in one step.
    Replace {
        /// As for `add`.
        url: String,
        /// The id of the member that goes.
        old: u64,
        /// The one that comes, started with join=wait, as in 4@h4:7001.
        member: Listed,
    },
    /// Lists the elections that have a candidate.
    Elections {
        /// As for `status`.
        url: String,
        /// Prints a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Shows the queue of an election, the leader first.
    Queue {
        /// As for `status`.
        url: String,
        /// The election.
        election: String,
        /// Prints a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Ends a session, and with it every candidacy of its process.
    EndSession {
        /// As for `add`.
        url: String,
        /// The session's number, from `queue`.
        session: u64,
    },
    /// Takes a backup of a group that works, as of now; whatever was acknowledged before is in it.
    Backup {
        /// As for `add`.
        url: String,
        /// Where to write it. A file of that name is replaced when the new one is on disk.
        file: PathBuf,
    },
    /// Founds a new group on a backup, when the old one is lost: makes all its members' data directories at once.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Where the data directories node-1, node-2 and so on are made. It must not exist, or be empty.
        directory: PathBuf,
        /// The new group's members, as in rafts://h1:7001,h2:7001,h3:7001?cluster=… (nothing is contacted).
        url: String,
        /// Needed if a group was founded on this backup before: that one's epoch and one.
        #[arg(long)]
        epoch: Option<u64>,
    },
}

/// `4@h4:7001`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) address: String,
}

impl FromStr for Listed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give id@host:port, as in 4@h4:7001".to_owned();
        let (id, address) = text.split_once('@').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let id = id.parse().ok().filter(|id| *id != 0).ok_or_else(wrong)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(wrong());
        }
        Ok(Self { id, address: address.into() })
    }
}

/// The arguments, with `run` in front of a URL that stands alone.
pub(crate) fn with_command(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut arguments: Vec<String> = arguments.collect();
    if arguments.len() == 2 && arguments[1].contains("://") {
        arguments.insert(1, "run".into());
    }
    arguments
}
