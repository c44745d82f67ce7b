//! What a data directory of the previous format holds, read by this version: see `tests/formats.rs`.

use std::path::Path;

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;

use super::Store;

#[tokio::test]
async fn vote_log_and_snapshot_of_the_previous_format_are_kept() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1");
    let dir = tempfile::tempdir().unwrap();
    for file in ["raft.redb", "snapshot", "acknowledged"] {
        std::fs::copy(fixture.join(file), dir.path().join(file)).unwrap();
    }
    let store = Store::open(dir.path(), "election", 1).unwrap();
    assert!(!store.pristine);
    let mut log = store.log;
    let vote = log.read_vote().await.unwrap().unwrap();
    assert_eq!((vote.leader_id.term, vote.leader_id.node_id, vote.committed), (1, 1, true));
    let state = log.get_log_state().await.unwrap();
    let (purged, last) = (state.last_purged_log_id.unwrap(), state.last_log_id.unwrap());
    let (meta, _) = store.snapshot.load().unwrap().unwrap();
    let snapshot = meta.last_log_id.unwrap();
    assert!(purged < snapshot && snapshot < last, "purged {purged}, snapshot {snapshot}, last {last}");
    // Every entry that is not purged can be read.
    let entries = log.try_get_log_entries(purged.index + 1..=last.index).await.unwrap();
    assert_eq!(entries.len() as u64, last.index - purged.index);
}
