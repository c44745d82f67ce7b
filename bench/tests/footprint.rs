//! What a held election costs in memory, and that rounds of elections leave nothing behind: a bound, no timing.

use std::sync::{Mutex, PoisonError};

use bench::rig::{Backend, Rig, Setting};
use bench::soak::{History, Limits, Load, Stage};
use peak_alloc::PeakAlloc;
use tokio::runtime::Runtime;

#[global_allocator]
static HEAP: PeakAlloc = bench::memory::HEAP;

/// The heap is the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn check(backend: Backend) {
    if !Backend::all().contains(&backend) {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Runtime::new().unwrap().block_on(async {
        let rig = Rig::start(Setting::single(backend), env!("CARGO_BIN_EXE_driver").as_ref()).await;
        let rig = rig.unwrap().patient();
        let stage = Stage::new(&rig).await.unwrap();
        let mut history = History::default();
        while history.is_too_short() {
            let load = Load { elections: 400, waiters: 40, observers: 40 };
            history.add(stage.round(&rig, load).await.unwrap());
        }
        println!("{}:\n{}", backend.name(), history.summary());
        history.verdict(Limits::default()).unwrap();
    });
}

#[test]
fn etcd_holds_elections_in_two_kibibytes_each_and_leaks_nothing() {
    check(Backend::Etcd);
}

#[test]
fn zk_holds_elections_in_two_kibibytes_each_and_leaks_nothing() {
    check(Backend::Zk);
}

#[test]
fn raft_holds_elections_in_two_kibibytes_each_and_leaks_nothing() {
    check(Backend::Raft);
}
