//! Every verb of the driver, on every backend: what is said, in what order, and that nothing is left behind.

use std::time::Duration;

use anyhow::{Context, Result};
use bench::rig::{Backend, Rig, Setting};
use bench::worker::Worker;
use serde_json::Value;

/// Of every session.
const TTL: Duration = Duration::from_secs(4);

/// The backend's servers; `None` if they are not installed (on a laptop: see [`testkit::need`]).
async fn rig(backend: Backend, servers: usize) -> Option<Rig> {
    if !Backend::all().contains(&backend) {
        return None;
    }
    let setting = Setting { servers, ..Setting::single(backend) };
    Some(Rig::start(setting, env!("CARGO_BIN_EXE_driver").as_ref()).await.unwrap())
}

fn start(rig: &Rig, verb: &str, i: usize, more: &[&str]) -> Result<Worker> {
    let mut args = rig.driver_args(verb, i, "e");
    // Not the smallest: here a busy machine must not cost anybody the leadership.
    let ttl = args.iter().position(|arg| arg == "--ttl-ms").context("no TTL")?;
    args[ttl + 1] = TTL.as_millis().to_string();
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    Worker::start(rig.driver(), &args)
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("no {field} in {event}"))
}

fn numbers(event: &Value, field: &str) -> usize {
    event[field].as_array().unwrap_or_else(|| panic!("no {field} in {event}")).len()
}

/// Campaigns for both forms of the verb `cycle`.
fn check_cycles(result: &Value, candidates: u64) {
    assert_eq!(number(result, "candidates"), candidates);
    assert_eq!(number(result, "elapsed_ns"), 1_000_000_000);
    let cycles = number(result, "cycles");
    assert!(cycles > 0, "{result}");
    for field in ["campaign_ns", "resign_ns"] {
        assert_eq!(numbers(result, field) as u64, cycles);
    }
}

async fn cycle(rig: &Rig) -> Result<()> {
    let mut worker = start(rig, "cycle", 0, &["--candidates", "4", "--seconds", "1", "--warmup", "0.5"])?;
    check_cycles(&worker.event("result").await?, 4);
    worker.end()
}

async fn candidate(rig: &Rig) -> Result<()> {
    let mut worker = start(rig, "candidate", 0, &[])?;
    // Before it is ready.
    worker.tell("campaign a value")?;
    assert_eq!(worker.event("ready").await?["id"], "0");
    let leader = worker.event("leader").await?;
    assert_eq!((&leader["id"], &leader["val"]), (&"0".into(), &"a value".into()));
    worker.tell("check")?;
    let check = worker.event("check").await?;
    assert_eq!((&check["ok"], &check["token"]), (&true.into(), &leader["token"]));
    let valid_for = number(&check, "valid_for_ns");
    assert!(valid_for > 0 && Duration::from_nanos(valid_for) <= TTL, "{check}");
    worker.tell("sample 5")?;
    let (first, second) = (worker.event("check").await?, worker.event("check").await?);
    assert!(number(&second, "t") > number(&first, "t"));
    worker.tell("sample 0")?;
    worker.tell("resign")?;
    let resigned = worker.event("resigned").await?;
    assert!(number(&resigned, "t") > number(&resigned, "t0"));
    worker.tell("check")?;
    loop {
        let check = worker.event("check").await?;
        // Samples of the time before are still on the way.
        if number(&check, "t") > number(&resigned, "t") {
            assert_eq!((&check["ok"], number(&check, "valid_for_ns")), (&false.into(), 0));
            break;
        }
    }
    worker.tell("nonsense")?;
    let refusal = worker.event("error").await?;
    assert!(refusal["err"].as_str().is_some_and(|text| text.contains("nonsense")), "{refusal}");
    worker.tell("campaign again")?;
    let again = worker.event("leader").await?;
    assert!(number(&again, "token") > number(&leader, "token"));
    worker.end()
}

async fn observer(rig: &Rig) -> Result<()> {
    let mut observer = start(rig, "observer", 0, &["--observers", "10"])?;
    observer.event("ready").await?;
    // The memory of a process has no other processes.
    if rig.setting().backend != Backend::Memory {
        let mut leader = start(rig, "candidate", 0, &[])?;
        for value in ["first", "second"] {
            leader.tell(&format!("campaign {value}"))?;
            leader.leads().await?;
            let notice = observer.event("notice").await?;
            assert_eq!((notice["val"].as_str(), numbers(&notice, "t")), (Some(value), 10));
            leader.tell("resign")?;
            leader.event("resigned").await?;
        }
        leader.quit()?;
    }
    observer.end()
}

async fn herd(rig: &Rig) -> Result<()> {
    let mut worker = start(rig, "herd", 0, &["--candidates", "10"])?;
    worker.event("ready").await?;
    worker.tell("go")?;
    let result = worker.event("result").await?;
    assert_eq!(numbers(&result, "handover_ns"), 9);
    assert!(number(&result, "total_ns") > 0);
    worker.end()
}

async fn idle(rig: &Rig) -> Result<()> {
    let mut worker = start(rig, "idle", 0, &["--elections", "100"])?;
    let held = worker.event("held").await?;
    assert_eq!(number(&held, "elections"), 100);
    assert!(number(&held, "acquire_ns") > 0);
    worker.end()
}

macro_rules! verbs {
    ($module:ident, $backend:ident: $($verb:ident)*) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $verb() {
                if let Some(rig) = super::rig(super::Backend::$backend, 1).await {
                    super::$verb(&rig).await.unwrap();
                }
            })*
        }
    };
}

verbs! { memory, Memory: cycle candidate observer herd idle }
#[cfg(feature = "etcd")]
verbs! { etcd, Etcd: cycle candidate observer herd idle }
#[cfg(feature = "zk")]
verbs! { zk, Zk: cycle candidate observer herd idle }
#[cfg(feature = "raft")]
verbs! { raft, Raft: candidate }

/// Three members in processes of their own: cycles through one of them, notices, a crash, a restart.
#[cfg(feature = "raft")]
#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_drivers() -> Result<()> {
    let rig = rig(Backend::Raft, 3).await.expect("raft needs no server");
    let mut members =
        (0..3).map(|i| start(&rig, "candidate", i, &["--observers", "2"])).collect::<Result<Vec<_>>>()?;
    for member in &mut members {
        member.event("ready").await?;
    }
    members[0].tell("campaign a")?;
    let first = members[0].event("leader").await?;
    // Not of the leader itself: there the notice may come before the `leader` that was awaited.
    for member in &mut members[1..] {
        assert_eq!(member.event("notice").await?["val"], "a");
    }
    members[1].tell("cycle 4 1 0.5")?;
    check_cycles(&members[1].event("result").await?, 4);
    members[1].tell("campaign b")?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    members[0].kill()?;
    let second = members[1].event("leader").await?;
    assert!(number(&second, "token") > number(&first, "token"));
    // The same member, the same folder.
    members[0] = start(&rig, "candidate", 0, &["--observers", "2"])?;
    assert_eq!(members[0].event("notice").await?["val"], "b");
    Ok(())
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense_is_an_error_event() -> Result<()> {
    let driver = env!("CARGO_BIN_EXE_driver").as_ref();
    let args = "raft cycle --endpoints 127.0.0.1:1 --election e --data-dir d".split(' ').map(str::to_owned);
    let mut worker = Worker::start(driver, &args.collect::<Vec<_>>())?;
    let refusal = worker.event("error").await?;
    assert!(refusal["err"].as_str().is_some_and(|text| text.contains("candidate only")), "{refusal}");
    Ok(())
}
