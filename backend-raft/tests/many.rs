//! Sessions of many processes on three members: nobody misses a renewal.
//!
//! `ELECTION_SESSIONS=1000 cargo test -p backend-raft --test many -- --nocapture` is the full size; without it there are
//! fewer. Each session leads an election of its own, so that a renewal that came too late is a leadership lost.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Cluster, soon};

use backend_raft::{RaftAdmin, RaftConfig, RaftCoordinator};
use election_core::clock::Instant;
use election_core::{Candidate, Coordinator, Leadership};
use futures::{StreamExt, stream};

/// In a few processes, so that each holds a part of them.
const PROCESSES: usize = 4;
/// Long enough for a machine that runs other tests beside this one.
const TTL: Duration = Duration::from_secs(10);
/// For how long they are held: many renewals of each.
const HELD: Duration = Duration::from_secs(3 * TTL.as_secs());
/// So many are opened at once.
const AT_ONCE: usize = 16;

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn a_thousand_processes_worth_of_sessions_miss_no_renewal() {
    let sessions = number("ELECTION_SESSIONS").unwrap_or(200);
    let mut cluster = Cluster::start("profile=wan");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let own = std::env::current_exe().unwrap();
    let mut children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            let share = sessions.div_ceil(PROCESSES).to_string();
            Command::new(&own)
                .args(["--exact", "a_process_of_clients", "--nocapture", "--test-threads", "1"])
                .env("ELECTION_MEMBERS", cluster.members.join(","))
                .env("ELECTION_SHARE", share)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut outputs: Vec<_> =
        children.iter_mut().map(|child| BufReader::new(child.stdout.take().unwrap())).collect();
    outputs.iter_mut().for_each(|output| drop(line(output, "held")));
    let all = sessions.div_ceil(PROCESSES) * PROCESSES;
    let status = runtime.block_on(RaftAdmin::new(&cluster.client_config()).unwrap().status());
    assert_eq!((status.sessions, status.elections), (all as u64, all as u64));

    // For a while in peace, and over a change of the Raft leader.
    std::thread::sleep(HELD / 2);
    let leader = cluster.raft_leader();
    assert!(cluster.terminate(leader).success());
    cluster.start_node(leader);
    std::thread::sleep(HELD / 2);
    for (child, output) in children.iter_mut().zip(&mut outputs) {
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        println!("{} of {all} sessions: {}", all / PROCESSES, line(output, "report"));
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert!(child.wait().unwrap().success(), "{rest}");
    }
}

/// The next line that begins so.
fn line(output: &mut impl BufRead, begin: &str) -> String {
    for line in output.lines() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once(begin) {
            return rest.trim().to_owned();
        }
    }
    panic!("a process of clients has ended");
}

/// Run by the test above, in processes of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_clients() {
    let Some(share) = number("ELECTION_SHARE") else { return };
    let members = std::env::var("ELECTION_MEMBERS").unwrap();
    let begun = Instant::now();
    let open = |place: usize| {
        let members = members.clone();
        async move {
            let config = RaftConfig::new(members.split(','));
            let mut config = config.with_profile(backend_raft::Profile::Wan).with_ttl(TTL);
            config.patience = Duration::from_secs(30);
            let client = soon("a session", RaftCoordinator::connect(config)).await.unwrap();
            let name = format!("many-{}-{place}", std::process::id());
            let elector = client.elector(&name).unwrap();
            let leadership = soon("to lead", elector.campaign(Candidate::new(&name).unwrap())).await.unwrap();
            (client, leadership)
        }
    };
    let held: Vec<(RaftCoordinator, Leadership)> =
        stream::iter((0..share).map(open)).buffer_unordered(AT_ONCE).collect().await;
    let opened = Instant::now().saturating_duration_since(begun);
    println!("\nheld {share}");
    let (told, stop) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        told.send(()).unwrap();
    });
    let mut least = TTL;
    while stop.try_recv().is_err() {
        for (_, leadership) in &held {
            leadership.check().expect("a renewal was missed");
            let left = leadership.valid_until().unwrap().saturating_duration_since(Instant::now());
            least = least.min(left);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "\nreport opened, {AT_ONCE} at once, in {opened:.1?}, least validity left {least:.2?} of {TTL:?}"
    );
}
