//! The hot paths, to be counted in instructions and not in time: `cargo xtask instructions` runs this program under
//! valgrind, twice per path, and compares the difference with `bench/instructions/baseline.json`.
//!
//! `instructions PATH COUNT` walks a path so many times; `instructions` lists the paths.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use election_core::backend::SessionState;
use election_core::clock::{BootClock, Clock};
use election_core::{Candidate, ElectionName, FencingToken, Leadership};

/// Every path: what it is called, and how it is walked.
const PATHS: &[(&str, fn(u64))] =
    &[("check", check), ("raft-apply", raft_apply), ("etcd-event", etcd_event), ("zk-children", zk_children)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, count] = &arguments[..] else {
        PATHS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let (Some((_, walk)), Ok(count)) = (PATHS.iter().find(|(name, _)| name == path), count.parse()) else {
        eprintln!("usage: instructions [PATH COUNT]; without, the paths are listed");
        return ExitCode::FAILURE;
    };
    walk(count);
    ExitCode::SUCCESS
}

/// `Leadership::check()`.
fn check(count: u64) {
    let deadline = BootClock.now() + Duration::from_secs(24 * 60 * 60);
    let session = SessionState::new(Arc::new(BootClock), deadline);
    let (name, candidate) = (ElectionName::new("billing"), Candidate::new("worker-1"));
    let release = Box::new(|| tokio::sync::oneshot::channel().1);
    let token = FencingToken::new(7);
    let leadership = name.and_then(|name| Leadership::new(name, candidate?, token, session, release));
    let leadership = leadership.expect("a leadership");
    for _ in 0..count {
        assert!(black_box(&leadership).check().is_ok());
    }
}

/// A campaign and a withdrawal, applied to a state with a thousand elections.
fn raft_apply(count: u64) {
    let mut machine = backend_raft::hot::Machine::new(1000);
    (0..count).for_each(|_| black_box(&mut machine).step());
}

/// Two events of a watch on an election with a hundred candidates.
fn etcd_event(count: u64) {
    let mut view = backend_etcd::hot::View::new(100);
    (0..count).for_each(|_| black_box(&mut view).step());
}

/// One look at the children of an election with a hundred candidates.
fn zk_children(count: u64) {
    let children = backend_zk::hot::Children::new(100);
    (0..count).for_each(|_| black_box(&children).step());
}
