//! The store on a disk that loses power at every step, has no room from every step on, or rots at every byte.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use openraft::{EntryPayload, RaftLogReader};

use super::simulated::{Faults, SimulatedDisk};
use super::{Store, StoreError};
use crate::state_machine::{CandidacyId, Command};
use crate::types::{CommittedLeaderId, Entry, LogId, SnapshotMeta, TypeConfig, Vote};

/// What a node asks of its store.
#[derive(Debug, Clone)]
enum Act {
    Vote(u64),
    /// Entries of a term, by index.
    Append(u64, std::ops::RangeInclusive<u64>),
    TruncateAfter(LogId),
    Snapshot(u64),
    Purge(u64),
    Recognise(u64, u128),
}

/// All that a store must not forget.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    vote: Option<Vote>,
    entries: Vec<Entry>,
    purged: Option<LogId>,
    snapshot: Option<(SnapshotMeta, Bytes)>,
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 1), index)
}

fn entry(term: u64, index: u64) -> Entry {
    let command = Command::Withdraw {
        candidacy: CandidacyId { session: term, number: index },
        floor: 0,
        election: "election".repeat(usize::try_from(index % 4 + 1).unwrap()),
    };
    Entry::new(log_id(term, index), EntryPayload::Normal(command))
}

/// Two terms, two snapshots, a log that is cut at both ends.
fn script() -> Vec<Act> {
    vec![
        Act::Recognise(2, 22),
        Act::Vote(1),
        Act::Append(1, 0..=4),
        Act::Append(1, 5..=5),
        Act::Vote(2),
        Act::TruncateAfter(log_id(1, 3)),
        Act::Append(2, 4..=9),
        Act::Snapshot(4),
        Act::Purge(4),
        Act::Append(2, 10..=12),
        Act::Vote(3),
        Act::Snapshot(8),
        Act::Purge(7),
        Act::Append(3, 13..=13),
    ]
}

impl Known {
    /// What is known once `act` is done.
    fn after(&self, act: &Act) -> Self {
        let mut known = self.clone();
        let place = |known: &Self, index| known.entries.iter().position(|entry| entry.index() > index);
        match act {
            Act::Vote(term) => known.vote = Some(Vote::new(*term, 1)),
            Act::Append(term, range) => known.entries.extend(range.clone().map(|index| entry(*term, index))),
            Act::TruncateAfter(id) => {
                let place = place(&known, id.index).unwrap_or(known.entries.len());
                known.entries.truncate(place);
            }
            Act::Purge(index) => {
                let place = place(&known, *index).unwrap_or(known.entries.len());
                known.purged = known.entries[..place].last().map(RaftEntry::log_id);
                known.entries.drain(..place);
            }
            Act::Snapshot(index) => known.snapshot = Some(snapshot(*index)),
            Act::Recognise(..) => {}
        }
        known
    }
}

fn snapshot(index: u64) -> (SnapshotMeta, Bytes) {
    let meta = SnapshotMeta { last_log_id: Some(log_id(2, index)), ..Default::default() };
    (meta, Bytes::from(vec![7; 100 + usize::try_from(index).unwrap()]))
}

async fn perform(store: &mut Store, act: &Act, known: &Known) -> io::Result<()> {
    match act {
        Act::Vote(term) => store.log.save_vote(&Vote::new(*term, 1)).await,
        Act::Append(term, range) => {
            let (flushed, result) = TypeConfig::oneshot();
            let entries: Vec<_> = range.clone().map(|index| entry(*term, index)).collect();
            store.log.append(entries, IOFlushed::signal(flushed)).await?;
            result.await.map_err(io::Error::other)?
        }
        Act::TruncateAfter(id) => store.log.truncate_after(Some(*id)).await,
        Act::Purge(index) => {
            let found = known.entries.iter().find(|entry| entry.index() == *index);
            store.log.purge(found.map(RaftEntry::log_id).expect("it is in the log")).await
        }
        Act::Snapshot(index) => {
            let (meta, bytes) = snapshot(*index);
            store.snapshot.save(&meta, &bytes)
        }
        Act::Recognise(peer, incarnation) => {
            store.log.recognise(*peer, *incarnation).await.map(|known| assert!(known))
        }
    }
}

fn open(disk: &SimulatedDisk) -> Result<Store, StoreError> {
    Store::on(Arc::new(disk.clone()), "test", 1)
}

async fn read(store: &mut Store) -> Known {
    let state = store.log.get_log_state().await.unwrap();
    let known = Known {
        vote: store.log.read_vote().await.unwrap(),
        entries: store.log.try_get_log_entries(..).await.unwrap(),
        purged: state.last_purged_log_id,
        snapshot: store.snapshot.load().unwrap(),
    };
    let last = known.entries.last().map(RaftEntry::log_id).or(known.purged);
    assert_eq!(state.last_log_id, last);
    known
}

/// Plays the script until the disk fails. What is known to be done then, and what may be.
struct Played {
    done: Known,
    perhaps: Known,
    recognised: bool,
}

async fn play(disk: &SimulatedDisk) -> Played {
    let mut played = Played { done: Known::default(), perhaps: Known::default(), recognised: false };
    let Ok(mut store) = open(disk) else { return played };
    for act in script() {
        played.perhaps = played.done.after(&act);
        if perform(&mut store, &act, &played.done).await.is_err() {
            return played;
        }
        played.recognised |= matches!(act, Act::Recognise(..));
        played.done = played.perhaps.clone();
    }
    played
}

/// Whether a disk holds what was acknowledged, and goes on from there.
async fn holds(disk: &SimulatedDisk, played: &Played) -> Result<(), String> {
    let mut store = open(disk).map_err(|error| error.to_string())?;
    let found = read(&mut store).await;
    if found != played.done && found != played.perhaps {
        return Err(format!("found {found:?}\nacknowledged {:?}", played.done));
    }
    if played.recognised && store.log.recognise(2, 23).await.map_err(|error| error.to_string())? {
        return Err("a second incarnation of node 2 was taken for the first".into());
    }
    perform(&mut store, &Act::Vote(9), &found).await.map_err(|error| error.to_string())?;
    drop(store);
    let mut store = open(&disk.killed()).map_err(|error| error.to_string())?;
    match store.log.read_vote().await {
        Ok(Some(vote)) if vote == Vote::new(9, 1) => Ok(()),
        other => Err(format!("a new vote was lost: {other:?}")),
    }
}

/// Loses power at every step of the script, and says what went wrong.
async fn lose_power_everywhere(faults: Faults) -> Vec<String> {
    let mut wrong = Vec::new();
    let disk = SimulatedDisk::default();
    play(&disk).await;
    let steps = disk.steps();
    assert!(steps > 100, "{steps} steps");
    for step in 1..=steps {
        for seed in 0..3 {
            let disk = SimulatedDisk::default();
            disk.with(Faults { power_loss_at: Some(step), ..faults.clone() });
            let played = play(&disk).await;
            if let Err(error) = holds(&disk.after_power_loss(step * 100 + seed), &played).await {
                wrong.push(format!("power loss at step {step}, seed {seed}: {error}"));
            }
        }
    }
    wrong
}

#[tokio::test]
async fn a_power_loss_at_any_step_loses_nothing_acknowledged() {
    let wrong = lose_power_everywhere(Faults::default()).await;
    assert!(wrong.is_empty(), "{} failures, the first: {}", wrong.len(), wrong[0]);
}

#[tokio::test]
async fn a_disk_that_is_not_told_to_keep_things_is_noticed() {
    let names = lose_power_everywhere(Faults { forgets_names: true, ..Faults::default() }).await;
    assert!(!names.is_empty(), "a rename that was never synced was never missed");
    let bytes = lose_power_everywhere(Faults { forgets_bytes: true, ..Faults::default() }).await;
    assert!(!bytes.is_empty(), "a commit that was never synced was never missed");
}

#[tokio::test]
async fn a_disk_that_is_full_from_any_step_on_loses_nothing_acknowledged() {
    let disk = SimulatedDisk::default();
    play(&disk).await;
    for step in 1..=disk.steps() {
        let disk = SimulatedDisk::default();
        disk.with(Faults { full_at: Some(step), ..Faults::default() });
        let played = play(&disk).await;
        // With room again, and the process started again.
        if let Err(error) = holds(&disk.killed(), &played).await {
            panic!("full at step {step}: {error}");
        }
    }
}

/// The disk of a process that was killed at the end of the script, and of one that ended in good order.
async fn endings() -> [(SimulatedDisk, &'static str); 2] {
    let killed = SimulatedDisk::default();
    let mut store = open(&killed).unwrap();
    let mut known = Known::default();
    for act in script() {
        perform(&mut store, &act, &known).await.unwrap();
        known = known.after(&act);
    }
    let image = killed.killed();
    drop(store);
    // The thread that writes ends a moment later.
    let ended = || killed.files().iter().any(|(name, bytes)| name == super::DATABASE && bytes[9] & 2 == 0);
    for _ in 0..10_000 {
        if ended() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(ended(), "the database was not closed");
    [(image, "killed"), (killed.killed(), "ended")]
}

#[tokio::test]
async fn a_file_that_vanished_is_missed() {
    for (disk, how) in endings().await {
        for name in [super::DATABASE, super::snapshot::SNAPSHOT] {
            let poorer = disk.killed();
            poorer.vanish(name);
            let error =
                open(&poorer).err().unwrap_or_else(|| panic!("{how}: nobody misses {name}")).to_string();
            assert!(error.contains(name) && error.contains("under a new id"), "{error}");
        }
    }
}

/// Every byte of the headers, and every so manieth of the rest; `ELECTION_ROT_EVERY=1` for all (with
/// `--release` a minute).
#[tokio::test]
async fn no_byte_rots_unseen() {
    let every: usize = std::env::var("ELECTION_ROT_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(53);
    let known = script().iter().fold(Known::default(), |known, act| known.after(act));
    let played = Played { done: known.clone(), perhaps: known, recognised: true };
    for (disk, how) in endings().await {
        let (mut harmless, mut refused) = (0, 0);
        for (name, bytes) in disk.files() {
            let used = bytes.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0));
            for at in used.flat_map(|(page, bytes)| page * 4096..page * 4096 + bytes.len()) {
                if at > 512 && at % every != 0 {
                    continue;
                }
                for change in [1 << (at % 8), 0xff] {
                    let rotten = disk.killed();
                    rotten.rot(&name, at, change);
                    match open(&rotten) {
                        Ok(mut store) => {
                            let found = read(&mut store).await;
                            assert_eq!(found, played.done, "{how}: byte {at} of {name} ^ {change:#x}");
                            harmless += 1;
                        }
                        Err(error) => {
                            let text = error.to_string();
                            assert!(
                                text.contains("/simulated/") || text.contains("data directory"),
                                "{text}"
                            );
                            refused += 1;
                        }
                    }
                }
            }
        }
        eprintln!("{how}: {refused} refused, {harmless} without effect");
        assert!(refused > 100 && harmless > 0);
    }
}
