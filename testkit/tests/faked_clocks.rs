//! A contender whose clocks are faked stamps its lines with true time.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::history::{History, Stamp};
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

#[tokio::test]
async fn stamps_are_true_in_a_process_whose_clocks_are_faked() -> anyhow::Result<()> {
    let Some(library) = libfaketime() else {
        eprintln!("skipped: no libfaketime");
        return Ok(());
    };
    let folder = WorkDir::new("faked-")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_testkit-contender"));
    // Nobody listens there: it tries again and again, and writes that down.
    command.args(["--url", "etcd://127.0.0.1:1", "--election", "e", "--id", "a"]);
    command.arg("--history").arg(folder.path().join("a.jsonl"));
    command.env("LD_PRELOAD", library).env("FAKETIME", "+2h x3").env("FAKETIME_NO_CACHE", "1");
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
