//! A contender whose clocks are faked stamps its lines with true time, and sees the false one.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::history::{Event, History, Stamp};
use testkit::process::Process;
use testkit::{WorkDir, need, until};

const SOON: Duration = Duration::from_secs(20);

fn libfaketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    let files = folders.map(|folder| PathBuf::from(folder).join("faketime/libfaketimeMT.so.1"));
    let found = files.into_iter().find(|file| file.is_file());
    assert!(found.is_some() || !need::is_ci(), "this test needs libfaketime: apt-get install libfaketime");
    found
}

/// Nobody listens where it connects to: it tries again and again, and writes that down.
fn contender(folder: &WorkDir, library: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testkit-contender"));
    command.args(["--url", "etcd://127.0.0.1:1", "--election", "e", "--id", "a"]);
    command.arg("--history").arg(folder.path().join("a.jsonl")).env("LD_PRELOAD", library);
    command
}

#[tokio::test]
async fn stamps_are_true_in_a_process_whose_clocks_are_faked() -> anyhow::Result<()> {
    let Some(library) = libfaketime() else {
        eprintln!("skipped: no libfaketime");
        return Ok(());
    };
    let folder = WorkDir::new("faked-")?;
    let mut command = contender(&folder, &library);
    command.env("FAKETIME", "+2h x3").env("FAKETIME_NO_CACHE", "1");
    let before = Stamp::now();
    let process = Process::start(&command, |command| {
        command.stdin(Stdio::null()).stderr(Stdio::null());
    })?;
    let history = until("three attempts", SOON, || async {
        let history = History::read_dir(folder.path())?;
        Ok((history.events.len() > 7).then_some(history))
    })
    .await;
    let after = Stamp::now();
    process.kill()?;
    for event in history?.events {
        assert!(event.mono_ns > before.mono_ns && event.mono_ns < after.mono_ns, "{event:?}");
        assert!(event.boot_ns > before.boot_ns && event.boot_ns < after.boot_ns, "{event:?}");
    }
    Ok(())
}

/// As the fault `clock-step` does it: without this it would prove nothing.
#[tokio::test]
async fn a_step_of_the_wall_clock_is_seen_by_the_process_and_moves_no_stamp() -> anyhow::Result<()> {
    let Some(library) = libfaketime() else {
        eprintln!("skipped: no libfaketime");
        return Ok(());
    };
    let folder = WorkDir::new("faked-")?;
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0\n")?;
    let mut command = contender(&folder, &library);
    command.env("FAKETIME_TIMESTAMP_FILE", &offset).env("FAKETIME_CACHE_DURATION", "1");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let process = Process::start(&command, |command| {
        command.stdin(Stdio::null()).stderr(Stdio::null());
    })?;
    // The distance between the two clocks tells by how much the wall clock was stepped.
    let apart = |event: &Event| event.wall_ns.map(|wall| (wall as f64 - event.boot_ns as f64) / 1e9);
    let last =
        || -> anyhow::Result<_> { Ok(History::read_dir(folder.path())?.events.last().and_then(apart)) };
    let start = until("a first line", SOON, || async { last() }).await?;
    for step in [3600.0, -3600.0] {
        std::fs::write(&offset, format!("{step:+}\n"))?;
        let seen = until("the step to be seen", SOON, || async {
            Ok(last()?.filter(|apart| (apart - start - step).abs() < 30.0))
        });
        seen.await?;
    }
    let stamps: Vec<u64> =
        History::read_dir(folder.path())?.events.iter().map(|event| event.boot_ns).collect();
    process.kill()?;
    assert!(stamps.is_sorted(), "a step of the wall clock has moved the stamps");
    assert!(stamps.last().zip(stamps.first()).is_some_and(|(last, first)| last - first < 60_000_000_000));
    Ok(())
}
