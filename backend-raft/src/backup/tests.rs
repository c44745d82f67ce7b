//! Files that are not what they should be, and what a group is founded on.

use std::path::Path;

use election_core::Kind;

use super::{Backup, Contents, contents, epoch};
use crate::config::RaftConfig;
use crate::state_machine::{CandidacyId, Command, State};
use crate::store::Store;

fn contents() -> Contents {
    let mut state = State::default();
    let mut effects = Vec::new();
    state.apply(5, &Command::OpenSession { nonce: 7, ttl_ms: 4000 }, &mut effects);
    let candidacy = CandidacyId { session: 5, number: 0 };
    let campaign = Command::Campaign {
        candidacy,
        floor: 0,
        election: "e".into(),
        id: "c".into(),
        value: Default::default(),
    };
    state.apply(6, &campaign, &mut effects);
    let members = [(1, "127.0.0.1:7001".to_owned()), (2, "127.0.0.1:7002".to_owned())].into();
    Contents { cluster: "election".into(), index: 6, members, state: state.encode().unwrap().into() }
}

#[test]
fn a_backup_tells_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup");
    contents::write(&path, &contents().encode().unwrap()).unwrap();
    let backup = Backup::read(&path).unwrap();
    assert_eq!((backup.index, backup.sessions, backup.epoch()), (6, 1, 0));
    assert_eq!(backup.longest_ttl.as_millis(), 4000);
    assert_eq!(backup.leaders.len(), 1);
    assert_eq!((backup.leaders[0].0.as_str(), backup.leaders[0].2.get()), ("e", 6));
    assert!(backup.to_string().contains("1@127.0.0.1:7001, 2@127.0.0.1:7002"), "{backup}");
    // Nothing else is left beside it.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn no_damage_to_a_backup_goes_unnoticed() {
    let good = contents().encode().unwrap().to_vec();
    let path = Path::new("backup");
    Backup::decode(path, &good).unwrap();
    let refused = |bytes: &[u8]| {
        let error = Backup::decode(path, bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidConfig);
        error.to_string()
    };
    for bit in 0..good.len() * 8 {
        let mut damaged = good.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        refused(&damaged);
    }
    for length in 0..good.len() {
        refused(&good[..length]);
    }
    let mut later = good.clone();
    later[11] = 9;
    assert!(refused(&later).contains("has format 9, this version reads 1: upgrade"));
    assert!(refused(b"something else altogether").contains("is no backup of a Raft group"));
    assert!(refused(&good[..good.len() - 1]).contains("is damaged"));
}

#[test]
fn what_cannot_be_founded_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let backup = Backup::decode(dir.path(), &contents().encode().unwrap()).unwrap();
    let config = RaftConfig::new(["127.0.0.1:7001", "127.0.0.1:7002"]);
    let says = |config: &RaftConfig, into: &Path, epoch, text: &str| {
        let error = backup.restore(config, into, epoch).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidConfig);
        assert!(error.to_string().contains(text), "{error}");
    };
    let other = RaftConfig { cluster: "other".into(), ..config.clone() };
    says(
        &other,
        &dir.path().join("new"),
        None,
        "is of cluster \"election\", not \"other\": give cluster=election",
    );
    says(&config, &dir.path().join("new"), Some(0), "epoch is 0: give 1 to");
    says(&config, &dir.path().join("new"), Some(epoch::MAX + 1), "give 1 to 1048575");
    std::fs::write(dir.path().join("something"), "").unwrap();
    says(&config, dir.path(), None, "it is not empty");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_founded_group_is_of_a_new_life_and_knows_its_members() {
    let dir = tempfile::tempdir().unwrap();
    let backup = Backup::decode(dir.path(), &contents().encode().unwrap()).unwrap();
    let config = RaftConfig::new(["127.0.0.1:7001", "127.0.0.1:7002"]);
    let lives = |into: &str, epoch| {
        let made = backup.restore(&config, dir.path().join(into), epoch).unwrap();
        let open = |(id, data): (u64, &std::path::PathBuf)| {
            let store = Store::open(data, "election", id).unwrap();
            assert!(!store.pristine, "it has nothing to form");
            let (meta, state) = store.snapshot.load().unwrap().unwrap();
            assert_eq!(State::decode(&state).unwrap(), State::default());
            let nodes: Vec<_> =
                meta.last_membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect();
            assert_eq!(nodes, [(1, "127.0.0.1:7001".to_owned()), (2, "127.0.0.1:7002".to_owned())]);
            assert_eq!(meta.last_membership.voter_ids().count(), 2);
            (store.identity.incarnation, meta.last_log_id.unwrap().index)
        };
        (1..).zip(&made).map(open).collect::<Vec<_>>()
    };
    let (first, second) = (lives("first", None), lives("second", Some(7)));
    assert!(first.iter().all(|(_, index)| epoch::of(*index) == 1 && *index == epoch::first(1)));
    assert!(second.iter().all(|(_, index)| *index == epoch::first(7)));
    let all: std::collections::BTreeSet<_> = first.iter().chain(&second).map(|(life, _)| *life).collect();
    assert_eq!(all.len(), 4, "no life is lived twice");
}
