//! The store: openraft's own suite, restarts, and disks that fail.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use openraft::StorageError;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use openraft::{EntryPayload, RaftLogReader};
use tempfile::TempDir;

use super::testing::Disk;
use super::{LogStore, Store, StoreError};
use crate::state_machine::{Command, Machine, Replica};
use crate::types::{CommittedLeaderId, Entry, LogId, TypeConfig, Vote};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "test", 1).unwrap();
        Ok((dir, store.log, Machine::new(Replica::default(), store.snapshot)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_openrafts_suite_for_stores() {
    Suite::test_all(Builder).await.unwrap();
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, 1), index)
}

fn entry(index: u64, bytes: usize) -> Entry {
    let command = Command::Campaign {
        candidacy: crate::state_machine::CandidacyId { session: 1, number: index },
        floor: 0,
        election: "e".into(),
        id: "c".into(),
        value: Bytes::from(vec![7; bytes]),
    };
    Entry::new(log_id(index), EntryPayload::Normal(command))
}

/// Appends and waits until it is on disk.
async fn append(log: &mut LogStore, entries: Vec<Entry>) -> io::Result<()> {
    let (flushed, result) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(flushed)).await?;
    result.await.map_err(io::Error::other)?
}

#[tokio::test]
async fn a_creation_that_was_cut_short_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("raft.redb.new"), vec![0; 5000]).unwrap();
    std::fs::write(dir.path().join("snapshot.new"), b"half").unwrap();
    let store = Store::open(dir.path(), "test", 1).unwrap();
    assert!(store.pristine);
    assert!(!dir.path().join("raft.redb.new").exists() && !dir.path().join("snapshot.new").exists());
}

/// Waits until the writer of a store that was dropped has let go of the database.
async fn reopen(dir: &Path) -> Store {
    for _ in 0..500 {
        match Store::open(dir, "test", 1) {
            Err(StoreError::InUse { .. }) => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
            other => return other.unwrap(),
        }
    }
    panic!("the database is still locked");
}

#[tokio::test]
async fn vote_log_snapshot_and_peers_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let incarnation = {
        let mut store = Store::open(dir.path(), "test", 1).unwrap();
        assert!(store.pristine);
        store.log.save_vote(&Vote::new(3, 1)).await.unwrap();
        append(&mut store.log, (1..=20).map(|index| entry(index, 10)).collect()).await.unwrap();
        store.log.truncate_after(Some(log_id(18))).await.unwrap();
        store.log.purge(log_id(5)).await.unwrap();
        assert!(store.log.recognise(2, 77).await.unwrap());
        let mut machine = Machine::new(Replica::default(), store.snapshot.clone());
        let meta = crate::types::SnapshotMeta { last_log_id: Some(log_id(5)), ..Default::default() };
        // An empty state: three empty maps.
        machine.install_snapshot(&meta, Bytes::from_static(&[0, 0, 0])).await.unwrap();
        store.identity.incarnation
    };
    let mut store = reopen(dir.path()).await;
    assert!(!store.pristine);
    assert_eq!(store.identity.incarnation, incarnation);
    assert_eq!(store.log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
    let state = store.log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(5)), Some(log_id(18))));
    let entries = store.log.try_get_log_entries(0..100).await.unwrap();
    assert_eq!(entries, (6..=18).map(|index| entry(index, 10)).collect::<Vec<_>>());
    assert!(store.log.recognise(2, 77).await.unwrap());
    assert!(!store.log.recognise(2, 78).await.unwrap(), "a second incarnation of a peer");
    let (meta, _) = store.snapshot.load().unwrap().unwrap();
    assert_eq!(meta.last_log_id, Some(log_id(5)));
}

#[tokio::test]
async fn what_is_acknowledged_is_on_disk_and_not_only_on_its_way() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = Store::open(dir.path(), "test", 1).unwrap();
    store.log.save_vote(&Vote::new(3, 1)).await.unwrap();
    append(&mut store.log, vec![entry(1, 10)]).await.unwrap();
    // The file as a crash of this moment leaves it: the store is open and has had no chance to tidy up.
    std::fs::copy(dir.path().join("raft.redb"), crashed.path().join("raft.redb")).unwrap();
    let mut recovered = Store::open(crashed.path(), "test", 1).unwrap();
    assert_eq!(recovered.log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
    assert_eq!(recovered.log.get_log_state().await.unwrap().last_log_id, Some(log_id(1)));
}

#[tokio::test]
async fn a_long_log_is_read_partly_from_disk_and_in_batches_of_bounded_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), "test", 1).unwrap();
    // 16 MiB: twice what stays in memory.
    for first in (1..=256u64).step_by(64) {
        append(&mut store.log, (first..first + 64).map(|index| entry(index, 65_000)).collect())
            .await
            .unwrap();
    }
    let all = store.log.try_get_log_entries(1..257).await.unwrap();
    assert!(all.iter().map(|entry| entry.index()).eq(1..=256));
    for start in [1, 120, 130, 200, 250] {
        let some = store.log.limited_get_log_entries(start, 257).await.unwrap();
        assert!((1..=17).contains(&some.len()), "{} entries of 64 KiB", some.len());
        assert!(some.iter().map(|entry| entry.index()).eq(start..start + some.len() as u64));
    }
}

#[tokio::test]
async fn a_directory_of_another_cluster_node_or_process_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "test", 1).unwrap();
    let says = |result: Result<Store, StoreError>| result.map(|_| ()).unwrap_err().to_string();
    assert!(says(Store::open(dir.path(), "test", 1)).contains("in use by another process"));
    drop(store);
    drop(reopen(dir.path()).await);
    let patient = |cluster: &'static str, node| loop {
        match Store::open(dir.path(), cluster, node) {
            Err(StoreError::InUse { .. }) => std::thread::yield_now(),
            other => return says(other),
        }
    };
    let other_cluster = patient("other", 1);
    assert!(other_cluster.contains("belongs to cluster \"test\", not \"other\""), "{other_cluster}");
    let other_node = patient("test", 2);
    assert!(other_node.contains("belongs to node 1, not 2"), "{other_node}");
}

#[tokio::test]
async fn a_damaged_snapshot_is_an_error_and_not_another_state() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), "test", 1).unwrap());
    std::fs::write(dir.path().join("snapshot"), b"not a snapshot").unwrap();
    let error = loop {
        match Store::open(dir.path(), "test", 1) {
            Err(StoreError::InUse { .. }) => std::thread::yield_now(),
            other => break other.map(|_| ()).unwrap_err().to_string(),
        }
    };
    assert!(error.contains("a damaged record"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_named_loses_nothing_acknowledged_and_takes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, disk) = Disk::open(dir.path());
    append(&mut store.log, vec![entry(1, 10)]).await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    let error = append(&mut store.log, vec![entry(2, 10)]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    assert!(store.log.save_vote(&Vote::new(9, 1)).await.is_err());
    disk.full.store(false, Ordering::SeqCst);
    assert!(append(&mut store.log, vec![entry(3, 10)]).await.is_err(), "what follows a loss is lost too");
    assert!(store.log.failure().is_some());
    drop(store);
    let mut store = reopen(dir.path()).await;
    assert_eq!(store.log.try_get_log_entries(0..9).await.unwrap(), [entry(1, 10)]);
    assert_eq!(store.log.read_vote().await.unwrap(), None);
    append(&mut store.log, vec![entry(2, 10)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_meet_share_an_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, disk) = Disk::open(dir.path());
    append(&mut store.log, vec![entry(1, 10)]).await.unwrap();
    let before = disk.syncs.load(Ordering::SeqCst);
    let mut waiting = Vec::new();
    for index in 2..=501 {
        let (flushed, result) = TypeConfig::oneshot();
        store.log.append(vec![entry(index, 10)], IOFlushed::signal(flushed)).await.unwrap();
        waiting.push(result);
    }
    for result in waiting {
        result.await.unwrap().unwrap();
    }
    let used = disk.syncs.load(Ordering::SeqCst) - before;
    assert!(used < 250, "{used} fsyncs for 500 appends");
}

#[tokio::test]
async fn an_unreadable_snapshot_from_a_peer_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "test", 1).unwrap();
    let mut machine = Machine::new(Replica::default(), store.snapshot.clone());
    let meta = crate::types::SnapshotMeta { last_log_id: Some(log_id(5)), ..Default::default() };
    assert!(machine.install_snapshot(&meta, Bytes::from_static(&[255; 40])).await.is_err());
    assert!(store.snapshot.load().unwrap().is_none());
    assert_eq!(machine.applied_state().await.unwrap().0, None);
}
