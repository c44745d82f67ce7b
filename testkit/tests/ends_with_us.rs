//! What the testkit starts ends with the test process, also when that is killed.
#![forbid(unsafe_code)]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use testkit::{process::Process, until};

/// Set in the process that is going to be killed.
const VICTIM: &str = "TESTKIT_VICTIM";

const SOON: Duration = Duration::from_secs(20);

fn sleeper() -> Process {
    let mut command = Command::new("sleep");
    command.arg("1000");
    Process::start(&command, |_| {}).unwrap()
}

/// False for a zombie too: not every container has an init that reaps.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Not a test of its own: what [`a_killed_test_process_leaves_nothing_running`] runs in another process.
#[test]
fn victim() {
    if env::var_os(VICTIM).is_none() {
        return;
    }
    // Started by a thread that ends at once: the death signal must follow the process, not the thread.
    let child = thread::spawn(sleeper).join().unwrap();
    println!("child {}", child.id());
    loop {
        thread::park();
    }
}

#[tokio::test]
async fn a_killed_test_process_leaves_nothing_running() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "victim", "--nocapture"]).env(VICTIM, "1");
    let victim = Process::start(&command, |command| {
        command.stdout(Stdio::piped());
    })
    .unwrap();
    let output = BufReader::new(victim.take(|child| child.stdout.take()).unwrap());
    let child = output.lines().map_while(Result::ok).find_map(|line| {
        let (_, pid) = line.split_once("child ")?;
        pid.trim().parse::<u32>().ok()
    });
    let child = child.expect("the victim tells the id of its child");
    assert!(lives(child));
    victim.kill().unwrap();
    until("the child to end", SOON, || async { Ok((!lives(child)).then_some(())) }).await.unwrap();
}

#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let child = thread::spawn(sleeper).join().unwrap();
    // The signal would come at the end of the thread; anything the kernel does meanwhile takes far less.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(child.exit_status().unwrap().is_none());
    child.pause().unwrap();
    child.resume().unwrap();
    let pid = child.id();
    drop(child);
    assert!(!lives(pid));
}
