//! Founding a new group on a backup.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use election_core::{Error, Kind, Operation, Result};
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, Membership as Members};
use rand::Rng;

use super::contents::Backup;
use super::epoch;
use crate::config::{RaftConfig, invalid};
use crate::error::BACKEND;
use crate::state_machine::State;
use crate::store::{Identity, Incarnation, Store};
use crate::types::{CommittedLeaderId, LogId, Membership, NodeId, SnapshotMeta};

impl Backup {
    /// Founds a new group of the members that `config` lists, in data directories that none of them has used, and
    /// says where they are: `into`/node-1, `into`/node-2 and so on, one for each member, to be moved to its host and
    /// given to it as its `data`. They belong together: all are made at once, or none.
    ///
    /// Every token of the new group is above every one of the old, also above those that were given out after the
    /// backup was taken: the new group's log begins with `epoch`, or, if that is `None`, with the one after the
    /// backup's. Give a higher one if a group was founded on this very backup before, and has given out tokens: its
    /// epoch and one.
    ///
    /// No session is taken over, and no leadership. Members of the old group that are still somewhere, on their old
    /// data directories, and the members of the new one refuse each other. What the new group cannot know is whether
    /// a leader of the old one still believes in its leadership: found it no sooner than
    /// [`longest_ttl`](Self::longest_ttl) after the old group has ended.
    ///
    /// # Errors
    /// `InvalidConfig` if the backup is of another cluster, if `into` has something in it, if `epoch` is not above
    /// the backup's, or as [`RaftConfig::validate`].
    pub fn restore(
        &self,
        config: &RaftConfig,
        into: impl AsRef<Path>,
        epoch: Option<u64>,
    ) -> Result<Vec<PathBuf>> {
        let into = into.as_ref();
        config.validate()?;
        if config.cluster != self.cluster {
            let (theirs, ours) = (&self.cluster, &config.cluster);
            return invalid(format!(
                "the backup is of cluster {theirs:?}, not {ours:?}: give cluster={theirs}"
            ));
        }
        let next = self.epoch() + 1;
        let epoch = epoch.unwrap_or(next);
        if !(next..=epoch::MAX).contains(&epoch) {
            return invalid(format!("epoch is {epoch}: give {next} to {}, above the backup's", epoch::MAX));
        }
        let founded = vacant(into).and_then(|()| found(config, into, epoch));
        founded.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::StorageFull => Kind::Unavailable,
                io::ErrorKind::PermissionDenied => Kind::PermissionDenied,
                _ => Kind::InvalidConfig,
            };
            let message = format!("cannot found a group in {into:?}: {error}");
            Error::new(kind, Operation::Configure).backend(BACKEND).message(message)
        })
    }
}

/// Makes sure that nothing is there.
fn vacant(into: &Path) -> io::Result<()> {
    match fs::read_dir(into) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                Err(io::Error::other("it is not empty: give a directory that is, or that does not exist"))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes all data directories beside `into`, and gives them their name when all are on disk.
fn found(config: &RaftConfig, into: &Path, epoch: u64) -> io::Result<Vec<PathBuf>> {
    let name = into.file_name().ok_or_else(|| io::Error::other("it names no directory"))?;
    let unfinished = into.with_file_name(format!("{}.unfinished", name.to_string_lossy()));
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(&unfinished)?;
    let members = config.by_id();
    let lives: BTreeMap<NodeId, Incarnation> = members.keys().map(|id| (*id, rand::rng().random())).collect();
    let meta = beginning(&members, epoch::first(epoch))?;
    let state = State::default().encode().map_err(io::Error::other)?.into();
    for (node, incarnation) in &lives {
        let identity = Identity { cluster: config.cluster.clone(), node: *node, incarnation: *incarnation };
        let peers = lives.iter().filter(|(peer, _)| *peer != node).map(|(peer, life)| (*peer, *life));
        let data = unfinished.join(format!("node-{node}"));
        Store::found(&data, &identity, peers, &meta, &state).map_err(io::Error::other)?;
    }
    fs::File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, into)?;
    Ok(lives.keys().map(|node| into.join(format!("node-{node}"))).collect())
}

/// The first entry of a group is the list of its members, of no term: here it has an index of its own, and it is in
/// a snapshot that all members have from the beginning. So none of them has anything to form or to learn.
fn beginning(members: &BTreeMap<NodeId, String>, index: u64) -> io::Result<SnapshotMeta> {
    let nodes: BTreeMap<NodeId, BasicNode> =
        members.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
    let voters = vec![nodes.keys().copied().collect()];
    let list = Members::new(voters, nodes).map_err(io::Error::other)?;
    let first = LogId::new(CommittedLeaderId::new(0, 0), index);
    Ok(SnapshotMeta { last_log_id: Some(first), last_membership: Membership::new(Some(first), list) })
}
