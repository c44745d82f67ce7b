//! One host floods the group, in every way at once: the elections of the others go on.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::raw::{self, Hello, Request, Sender, Up};
use common::steady::Steady;
use common::{Cluster, proc_field, soon};

use backend_raft::RaftCoordinator;
use election_core::{Candidate, Coordinator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const TTL: Duration = Duration::from_secs(4);
/// For how long.
const FLOOD: Duration = Duration::from_secs(3 * TTL.as_secs());
/// Another host, to the nodes: without TLS a client is known by its address.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// Opens connections and says nothing, or nonsense.
async fn connections(to: String, words: &'static [u8], refused: Arc<AtomicUsize>) {
    loop {
        let mut held = Vec::new();
        for _ in 0..300 {
            if let Ok(mut stream) = raw::connect_from(ELSEWHERE, &to).await {
                stream.write_all(words).await.ok();
                held.push(stream);
            }
        }
        let closed = held.iter().filter(|stream| matches!(stream.try_read(&mut [0; 8]), Ok(0) | Err(_)));
        refused.fetch_add(closed.count(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends requests as fast as they are taken. Counts the answers, and those of them that tell of a limit.
async fn requests(to: String, target: u64, first: u64, answers: Arc<AtomicUsize>, limited: Arc<AtomicUsize>) {
    let mut stream = raw::connect_from(ELSEWHERE, &to).await.unwrap();
    raw::greet(&mut stream, &Hello::new(Sender::Client, target)).await.unwrap().unwrap();
    let (mut read, mut write) = stream.into_split();
    let sending = async {
        for id in first.. {
            let open = Request::Open { key: u128::from(id), ttl_ms: 600_000 };
            let look = Request::Read { election: "x".repeat(100) };
            let mut both = raw::frame(&Up::Call { id: 2 * id, request: open });
            both.extend(raw::frame(&Up::Call { id: 2 * id + 1, request: look }));
            if write.write_all(&both).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        while let Ok(length) = read.read_u32().await {
            let mut frame = vec![0; length as usize];
            if read.read_exact(&mut frame).await.is_err() {
                return;
            }
            answers.fetch_add(1, Ordering::Relaxed);
            // The end of: written, refused, too many sessions of one client.
            if frame.ends_with(&[7, 5]) {
                limited.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    tokio::join!(sending, reading);
}

/// Each of them takes all that the machine has: side by side they would starve each other's groups.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_host_leaves_the_elections_of_the_others_alone() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start("profile=wan");
    let steady = Steady::lead(&cluster, cluster.client(TTL).await).await;
    let leader = cluster.raft_leader();
    let to = cluster.members[leader as usize - 1].clone();
    let neighbour = cluster.client(TTL).await;

    let counts: [Arc<AtomicUsize>; 4] = Default::default();
    let [silent, garbled, answers, limited] = &counts;
    let mut flood = JoinSet::new();
    for _ in 0..3 {
        flood.spawn(connections(to.clone(), b"", silent.clone()));
    }
    flood.spawn(connections(to.clone(), &[0xff; 16], garbled.clone()));
    for place in 0..3 {
        flood.spawn(requests(to.clone(), leader, place << 32, answers.clone(), limited.clone()));
    }
    // Meanwhile: others lead, resign, come and go.
    let over = Arc::new(AtomicBool::new(false));
    let cycling = tokio::spawn(cycles(neighbour, over.clone()));
    tokio::time::sleep(FLOOD).await;
    let late =
        soon("a newcomer", RaftCoordinator::connect(cluster.client_config().with_ttl(TTL))).await.unwrap();
    let won =
        soon("won", late.elector("late").unwrap().campaign(Candidate::new("late").unwrap())).await.unwrap();
    won.check().unwrap();
    over.store(true, Ordering::SeqCst);
    let cycles = soon("the cycles to end", cycling).await.unwrap();
    flood.shutdown().await;

    let counts = counts.map(|count| count.load(Ordering::SeqCst));
    eprintln!("{cycles} cycles; refused silent, refused garbled, answers, limited: {counts:?}");
    assert!(cycles > 0);
    assert!(counts[0] > 0, "no silent connection was closed: the flood was none");
    assert!(counts[1] > 0, "no garbage was refused");
    assert!(counts[2] > 0 && counts[3] > 0, "no session was refused: the flood was none");
    // Whether connections came faster than they are let in is the machine's affair: `network/door` tests that limit.
    steady.held(&cluster).await;
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> u64 {
    proc_field(pid, "status", "VmRSS:") * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_that_read_nothing_take_little_memory_and_are_told_everything_in_the_end() {
    const OBSERVERS: usize = 4000;
    /// A copy of the value for each of them is four times as much.
    const MOST: u64 = 64 * 1024 * 1024;
    let _alone = ALONE.lock().await;
    let mut cluster = Cluster::start("profile=wan");
    let (owner, neighbour) = (cluster.client(TTL).await, cluster.client(TTL).await);
    let leader = cluster.raft_leader();
    let pid = cluster.node(leader).pid();
    let mut stream = raw::connect_from(ELSEWHERE, &cluster.members[leader as usize - 1]).await.unwrap();
    raw::greet(&mut stream, &Hello::new(Sender::Client, leader)).await.unwrap().unwrap();
    let (mut read, mut write) = stream.into_split();
    let asking = tokio::spawn(async move {
        for id in 0..OBSERVERS as u64 {
            let request = Request::Observe { election: "large".into() };
            write.write_all(&raw::frame(&Up::Call { id, request })).await.unwrap();
        }
        // It goes on to show that it lives.
        while write.write_all(&raw::frame(&Up::Ping)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    let opened = async {
        let mut items = 0;
        while items < OBSERVERS {
            items += usize::from(matches!(raw::read(&mut read).await.unwrap(), raw::Down::Item));
        }
    };
    soon("the observers to be told that nobody leads", opened).await;

    let before = resident(pid);
    let large = Candidate::new("large").unwrap().with_value(vec![7; 64 * 1024]).unwrap();
    let observed = soon("won", owner.elector("large").unwrap().campaign(large)).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let cycling = tokio::spawn(cycles(neighbour, over.clone()));
    let mut most = 0;
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        most = most.max(resident(pid).saturating_sub(before));
    }
    over.store(true, Ordering::SeqCst);
    let cycles = soon("the cycles to end", cycling).await.unwrap();
    eprintln!("{cycles} cycles; {} KiB more of memory", most / 1024);
    assert!(cycles > 0);
    assert!(most < MOST, "{most} bytes are held for a caller that reads nothing");

    let told = async {
        let mut told = 0;
        while told < OBSERVERS {
            told += usize::from(raw::read_frame(&mut read).await.unwrap().len() > 64 * 1024);
        }
    };
    soon("every observer to be told", told).await;
    asking.abort();
    soon("resigned", observed.resign()).await.unwrap();
}

/// Begins to speak TLS, over and over, without a certificate.
async fn handshakes(to: String, ca: PathBuf, name: String, begun: Arc<AtomicUsize>) {
    loop {
        let Ok(stream) = raw::connect_from(ELSEWHERE, &to).await else { continue };
        if let Ok(mut stream) = raw::tls(stream, &ca, None, &name).await {
            raw::read_frame(&mut stream).await.unwrap_err();
            begun.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_handshakes_leaves_the_elections_of_the_others_alone() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start_secure("profile=wan");
    let steady = Steady::lead(&cluster, cluster.client(TTL).await).await;
    let (leader, begun) = (cluster.raft_leader(), Arc::new(AtomicUsize::new(0)));
    let to = cluster.members[leader as usize - 1].clone();
    let mut flood = JoinSet::new();
    for _ in 0..8 {
        let (ca, name) = (cluster.authority().ca.clone(), format!("node-{leader}.election"));
        flood.spawn(handshakes(to.clone(), ca, name, begun.clone()));
    }
    let over = Arc::new(AtomicBool::new(false));
    let cycling = tokio::spawn(cycles(cluster.client(TTL).await, over.clone()));
    tokio::time::sleep(FLOOD).await;
    over.store(true, Ordering::SeqCst);
    let cycles = soon("the cycles to end", cycling).await.unwrap();
    flood.shutdown().await;
    eprintln!("{cycles} cycles; {} handshakes begun", begun.load(Ordering::SeqCst));
    assert!(cycles > 0 && begun.load(Ordering::SeqCst) > 0);
    steady.held(&cluster).await;
}

/// Leads and resigns without an error until told to stop.
async fn cycles(client: RaftCoordinator, over: Arc<AtomicBool>) -> usize {
    let elector = client.elector("neighbour").unwrap();
    let mut cycles = 0;
    while !over.load(Ordering::SeqCst) {
        let leadership = elector.campaign(Candidate::new("neighbour").unwrap()).await.unwrap();
        leadership.resign().await.unwrap();
        cycles += 1;
    }
    cycles
}
