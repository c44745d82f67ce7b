//! What a crash costs: the leader's own election, for a moment, and nobody else's.
//!
//! The tests below run a few trials. Many, with figures, are one command:
//!
//! ```text
//! PROFILE=default TRIALS=100 cargo test --release -p backend-raft --test failover -- --nocapture raft_leader
//! TRIALS=100 cargo test --release -p backend-raft --test failover -- --nocapture takeover
//! PROFILE=lan IDLE_SECONDS=600 cargo test --release -p backend-raft --test failover -- --nocapture idle
//! ```

mod common;

use std::time::Duration;

use common::Cluster;
use common::worker::{News, Worker};

use election_core::clock::Instant;

/// The job of the processes that the tests start.
#[test]
fn a_worker() {
    common::worker::work();
}

/// A number from the environment.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

/// A pause that ends at any moment between two renewals.
fn at_any_moment() -> Duration {
    Duration::from_millis(100 + u64::from(rand::random::<u8>()))
}

/// A group of three processes that each embed a member and wait for the same election.
struct Scene {
    // Before the cluster: they log into its directory.
    workers: Vec<Option<Worker>>,
    cluster: Cluster,
    /// The place of the worker that leads.
    leader: usize,
}

impl Scene {
    fn start(parameters: &str) -> Self {
        let cluster = Cluster::prepare(parameters);
        let mut scene = Self { workers: vec![None, None, None], cluster, leader: 0 };
        (0..3).for_each(|place| scene.start_worker(place));
        scene.leader = scene.won().0;
        scene
    }

    fn log(&self, place: usize) -> std::path::PathBuf {
        self.cluster.dir.path().join(format!("node-{}.log", place + 1))
    }

    fn start_worker(&mut self, place: usize) {
        let id = place as u64 + 1;
        let url = self.cluster.url(id, &self.cluster.data(id));
        self.workers[place] = Some(Worker::start(&url, &["crash"], &self.log(place)));
    }

    fn worker(&mut self, place: usize) -> &mut Worker {
        self.workers[place].as_mut().unwrap()
    }

    /// Waits until some worker has won.
    fn won(&self) -> (usize, News) {
        let started = Instant::now();
        while Instant::now().saturating_duration_since(started) < common::PATIENCE {
            for (place, worker) in self.workers.iter().enumerate() {
                let news = worker.as_ref().and_then(|worker| worker.news(Duration::from_millis(1)));
                if let Some(news) = news.filter(|news| news.what == "won") {
                    return (place, news);
                }
            }
        }
        panic!("nobody has won");
    }

    /// The place of the Raft leader.
    fn raft_leader(&self) -> usize {
        let started = Instant::now();
        while Instant::now().saturating_duration_since(started) < common::PATIENCE {
            if let Some(place) =
                (0..3).find(|place| self.workers[*place].is_some() && common::holds_office(&self.log(*place)))
            {
                return place;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("there is no Raft leader");
    }

    /// Waits until all three stand in the queue.
    fn queued(&self) {
        let config = self.cluster.client_config();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(common::soon("a full queue", async {
            let admin = backend_raft::RaftAdmin::new(&config).unwrap();
            let election = election_core::ElectionName::new("crash").unwrap();
            while admin.queue(&election).await.map_or(0, |queue| queue.len()) < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }));
    }

    /// Kills the leader, which is (or is not) the Raft leader as well, and says how long the seat was empty.
    fn crash(&mut self, with_raft_leader: bool) -> Option<Duration> {
        loop {
            self.queued();
            if (self.raft_leader() == self.leader) == with_raft_leader {
                break;
            }
            let leader = self.leader;
            self.worker(leader).resign();
            self.leader = self.won().0;
        }
        let victim = self.leader;
        std::thread::sleep(at_any_moment());
        let killed = self.workers[victim].take().unwrap().kill();
        let (next, news) = self.won();
        self.leader = next;
        self.start_worker(victim);
        // On a machine that is too busy the leader may have been lost before it was killed: that was no crash.
        (news.at > killed).then(|| news.at.saturating_duration_since(killed))
    }
}

/// Prints the middle and the end of what was measured.
fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    if times.is_empty() {
        println!("{what}: no crash of a leader that was one");
        return;
    }
    let at = |part: f64| times[((times.len() as f64 * part).ceil() as usize).saturating_sub(1)];
    let count = times.len();
    println!("{what}: {count} crashes, p50 {:.0?}, p99 {:.0?}, max {:.0?}", at(0.5), at(0.99), at(1.0));
}

fn crashes(profile: &str, extra: &str) {
    let trials = number("TRIALS", 1);
    let mut scene = Scene::start(&format!("profile={profile}{extra}"));
    for with_raft_leader in [false, true] {
        let times: Vec<_> = (0..trials).filter_map(|_| scene.crash(with_raft_leader)).collect();
        let whose = if with_raft_leader { "the Raft leader's process" } else { "another process" };
        show(&format!("{profile}{extra}, {whose}"), times);
    }
}

#[test]
fn the_crash_of_a_leader_is_followed_by_a_takeover_default() {
    crashes("default", &std::env::var("EXTRA").unwrap_or_default());
}

#[test]
fn the_crash_of_a_leader_is_followed_by_a_takeover_lan() {
    crashes("lan", &std::env::var("EXTRA").unwrap_or_default());
}

/// Ends the Raft leader of a group again and again, and says how many leaderships in other processes that cost, in
/// those trials in which the group had another Raft leader within `bound`: on a machine that is too busy for that,
/// the sessions are not to blame.
fn raft_leader_ends(parameters: &str, kill: bool, bound: Duration) -> usize {
    let mut cluster = Cluster::start(parameters);
    let url = format!("raft://{}?{parameters}", cluster.members.join(","));
    let log = |i: usize| cluster.dir.path().join(format!("client-{i}.log"));
    let names = ["a", "b", "c", "d"];
    let clients: Vec<_> = (0..4).map(|i| Worker::start(&url, &names[i..=i], &log(i))).collect();
    clients.iter().for_each(|client| drop(client.wins()));
    let wanted = number("TRIALS", 2);
    let (mut valid, mut lost) = (0, 0);
    for _ in 0..wanted * 5 {
        let leader = cluster.raft_leader();
        std::thread::sleep(at_any_moment());
        let begun = Instant::now();
        if kill {
            cluster.kill(leader)
        } else {
            assert!(cluster.terminate(leader).success())
        }
        cluster.raft_leader();
        let took = Instant::now().saturating_duration_since(begun);
        cluster.start_node(leader);
        cluster.node(leader).ready();
        let losses = clients.iter().filter_map(|client| {
            let loss = client.news(Duration::from_millis(250)).filter(|news| news.what == "lost");
            loss.map(|loss| (loss, client.wins()))
        });
        let losses: Vec<_> = losses.collect();
        println!("{parameters}: another Raft leader after {took:.0?}, lost: {losses:?}");
        if took <= bound {
            valid += 1;
            lost += losses.len();
        }
        if valid == wanted {
            break;
        }
    }
    assert!(valid > 0, "this machine is too busy: no trial was over within {bound:?}");
    lost
}

/// The timings to try: those that do not depend on how busy this machine is, or, for figures, those of `PROFILE`.
fn profile() -> (String, Duration) {
    let name = std::env::var("PROFILE").unwrap_or_else(|_| "wan".into());
    let url = format!("raft://127.0.0.1:1?profile={name}");
    (format!("profile={name}"), backend_raft::RaftConfig::from_url(&url).unwrap().raft.failover())
}

#[test]
fn the_crash_of_the_raft_leader_ends_no_leadership_elsewhere() {
    let (parameters, bound) = profile();
    assert_eq!(raft_leader_ends(&parameters, true, bound), 0);
}

#[test]
fn a_raft_leader_that_is_told_to_stop_hands_over_and_nobody_loses_anything() {
    let (parameters, bound) = profile();
    assert_eq!(raft_leader_ends(&parameters, false, bound), 0);
}

/// Nothing happens, on a machine whose cores are all busy: no leadership is lost.
#[test]
fn idle_on_busy_cores() {
    let seconds = number("IDLE_SECONDS", 2);
    let one = std::env::var("PROFILE").ok();
    for profile in one.as_deref().map_or(vec!["default", "lan"], |one| vec![one]) {
        let cluster = Cluster::start(&format!("profile={profile}"));
        let url = format!("raft://{}?profile={profile}", cluster.members.join(","));
        let log = |name: String| cluster.dir.path().join(name);
        let client =
            |i: usize| Worker::start(&url, &["a", "b", "c", "d"][i..=i], &log(format!("client-{i}")));
        let clients: Vec<_> = (0..4).map(client).collect();
        clients.iter().for_each(|client| drop(client.wins()));
        let burners = if seconds > 10 { 2 } else { 0 };
        let _burners: Vec<_> = (0..burners).map(|i| Worker::burn(&log(format!("burn-{i}")))).collect();
        std::thread::sleep(Duration::from_secs(seconds));
        let mut losses = Vec::new();
        for client in &clients {
            while let Some(news) = client.news(Duration::from_millis(1)) {
                losses.extend((news.what == "lost").then_some(news));
            }
        }
        let (offices, count) = (common::steady::offices(&cluster), losses.len());
        println!(
            "{profile}: {seconds} s, 4 leaders, {burners} burners: {count} lost, {offices} Raft leaders"
        );
    }
}
