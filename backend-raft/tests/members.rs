//! The members of a group change while it works.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::steady::Steady;
use common::{Cluster, secured, soon};

use backend_raft::{RaftAdmin, RaftConfig, RaftCoordinator, Role};
use election_core::{Candidate, Coordinator, Kind};
use tokio::task::JoinHandle;

/// Much longer than anything takes on an idle machine: these tests also pass on a busy one.
const TTL: Duration = Duration::from_secs(8);

fn candidate(name: &str) -> Candidate {
    Candidate::new(name).unwrap()
}

fn admin(cluster: &Cluster) -> RaftAdmin {
    let config = cluster.client_config();
    let config = match &config.transport {
        backend_raft::Transport::Tls(_) => secured(config, &cluster.authority().admin("ops", "election")),
        _ => config,
    };
    RaftAdmin::new(&config).unwrap()
}

/// Waits until a node has a role, or none.
async fn until_it_is(admin: &RaftAdmin, node: u64, role: Option<Role>) {
    soon("the role", async {
        loop {
            let status = admin.status().await;
            let found = status.members.iter().find(|member| member.id == node).map(|member| member.role);
            if found.filter(|role| *role != Role::Listed) == role && status.is_healthy() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn ids(members: &[(u64, String)]) -> Vec<u64> {
    members.iter().map(|(id, _)| *id).collect()
}

/// Two processes' worth of workers that contend for one election: each wins, checks, and resigns, again and again. No
/// two of them ever hold it at once.
struct Contest {
    stop: Arc<AtomicBool>,
    won: Arc<AtomicU64>,
    workers: Vec<JoinHandle<()>>,
}

impl Contest {
    async fn begin(cluster: &Cluster) -> Self {
        let (stop, won, held) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let last = Arc::new(AtomicU64::new(0));
        let mut workers = Vec::new();
        for place in 0..4 {
            let client = cluster.client(TTL).await;
            let (stop, won, held, last) = (stop.clone(), won.clone(), held.clone(), last.clone());
            workers.push(tokio::spawn(async move {
                let elector = client.elector("contest").unwrap();
                while !stop.load(Ordering::SeqCst) {
                    let leadership = match elector.campaign(candidate(&format!("w{place}"))).await {
                        Ok(leadership) => leadership,
                        Err(error) if error.is_retryable() => continue,
                        Err(error) => panic!("{error}"),
                    };
                    if leadership.check().is_ok() {
                        assert!(!held.swap(true, Ordering::SeqCst), "two lead at once");
                        let token = leadership.token().get();
                        assert!(
                            last.swap(token, Ordering::SeqCst) < token,
                            "a token is not larger than the last"
                        );
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        held.store(false, Ordering::SeqCst);
                        won.fetch_add(1, Ordering::SeqCst);
                    }
                    leadership.resign().await.ok();
                }
            }));
        }
        Self { stop, won, workers }
    }

    /// Waits until it was won some more times.
    async fn goes_on(&self) {
        let from = self.won.load(Ordering::SeqCst);
        soon("the contest to go on", async {
            while self.won.load(Ordering::SeqCst) < from + 20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn end(self) {
        self.goes_on().await;
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            soon("a worker to end", worker).await.unwrap();
        }
    }
}

/// Adds, replaces and removes followers; whatever is led stays led.
async fn changes_cost_nothing(mut cluster: Cluster) {
    let admin = admin(&cluster);
    let steady = Steady::lead(&cluster, cluster.client(TTL).await).await;
    let contest = Contest::begin(&cluster).await;
    contest.goes_on().await;
    let leader = cluster.raft_leader();
    let [one, other] =
        [1, 2, 3].map(|id| (id != leader).then_some(id)).into_iter().flatten().collect::<Vec<_>>()[..]
    else {
        panic!("three members");
    };

    // Added: it asks by itself.
    cluster.join(4, "join=yes");
    until_it_is(&admin, 4, Some(Role::Voter)).await;
    contest.goes_on().await;

    // Replaced, at an administrator's word, given twice; by one that waits for it.
    let address = cluster.join(5, "join=wait");
    let replaced = soon("replaced", admin.add_member(5, &address, Some(one)));
    let replaced = replaced.await.unwrap();
    let again = soon("replaced again", admin.add_member(5, &address, Some(one))).await.unwrap();
    assert_eq!((ids(&replaced).len(), ids(&replaced).contains(&one)), (4, false), "{replaced:?}");
    assert_eq!(replaced, again);
    let (success, log) = cluster.ended(one);
    assert!(!success && log.contains("this node was removed from the group"), "{log}");
    assert!(log.contains("it must join as node 6, with an empty data directory"), "{log}");
    contest.goes_on().await;

    // Removed, twice; also one that was never there.
    let removed = soon("removed", admin.remove_member(other, false)).await.unwrap();
    assert_eq!(removed, soon("removed again", admin.remove_member(other, false)).await.unwrap());
    let mut left = vec![4, 5, leader];
    left.sort_unstable();
    assert_eq!(ids(&removed), left);
    assert!(!cluster.ended(other).0);
    let error = soon("refused", admin.remove_member(77, false)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("node 77 was never a member: the members are"), "{error}");

    // Who was removed and comes back with its data says so, and does so even when nobody is there to tell it.
    cluster.start_node(one);
    let (success, log) = cluster.ended(one);
    assert!(!success && log.matches("was removed from the group").count() >= 2, "{log}");
    contest.end().await;
    steady.held(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_added_replaced_and_removed_and_no_leadership_is_lost() {
    changes_cost_nothing(Cluster::start("profile=wan")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_over_tls_and_not_by_a_client() {
    let cluster = Cluster::start_secure("profile=wan");
    let client = RaftAdmin::new(&cluster.client_config()).unwrap();
    for error in [
        soon("refused", client.remove_member(1, true)).await.unwrap_err(),
        soon("refused", client.add_member(4, "127.0.0.1:1", None)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    }
    changes_cost_nothing(cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_are_replaced_one_by_one_and_a_client_with_the_first_list_follows() {
    let mut cluster = Cluster::start("profile=wan");
    let admin = admin(&cluster);
    let client = cluster.client(TTL).await;
    let elector = client.elector("e").unwrap();
    let leadership = soon("won", elector.campaign(candidate("c"))).await.unwrap();
    for (old, new) in [(1, 4), (2, 5), (3, 6)] {
        // Also the Raft leader: it hands over first.
        cluster.join(new, &format!("join=yes&replaces={old}"));
        until_it_is(&admin, new, Some(Role::Voter)).await;
        until_it_is(&admin, old, None).await;
        let (success, log) = cluster.ended(old);
        assert!(!success && log.contains("this node was removed from the group"), "{log}");
        leadership.check().unwrap();
        if old == 2 {
            // A client whose list names one member that is still there finds the others.
            let list = format!("3@{}", cluster.members[2]);
            let config = RaftConfig::new([list]).with_profile(backend_raft::Profile::Wan).with_ttl(TTL);
            let late = soon("a client", RaftCoordinator::connect(config)).await.unwrap();
            let won = soon("won", late.elector("late").unwrap().campaign(candidate("l"))).await.unwrap();
            won.check().unwrap();
        }
    }
    // Beyond the TTL: renewed by members of which this client has never been told.
    tokio::time::sleep(TTL + TTL / 4).await;
    leadership.check().unwrap();

    // All of them stop and start again with lists in which nobody else is up any more.
    [4, 5, 6].into_iter().for_each(|id| cluster.kill(id));
    [4, 5, 6].into_iter().for_each(|id| cluster.start_node(id));
    [4, 5, 6].into_iter().for_each(|id| assert!([4, 5, 6].contains(&cluster.node(id).ready())));
    let again = soon("won", async {
        loop {
            match client.elector("again").unwrap().campaign(candidate("c")).await {
                Ok(leadership) => return leadership,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    });
    assert!(again.await.token() > leadership.token());

    // The disks of the first three are still there. Together they would be a majority of what they remember.
    for id in [1, 2, 3] {
        cluster.start_node(id);
    }
    for id in [1, 2, 3] {
        let (success, log) = cluster.ended(id);
        assert!(!success && log.contains("was removed from the group, as node"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_disk_comes_back_under_a_new_id_only_and_no_id_is_used_twice() {
    let mut cluster = Cluster::start("profile=wan&snapshot_every=30&keep_entries=2");
    let admin = admin(&cluster);
    let first = cluster.members.clone();
    cluster.join(4, "join=yes");
    until_it_is(&admin, 4, Some(Role::Voter)).await;

    // A member whose disk was lost, and which meets nobody but the one that has not met it before.
    let lost = (1..=3).find(|id| *id != cluster.raft_leader()).unwrap();
    cluster.kill(lost);
    let four = admin.status().await.members.into_iter().find(|member| member.id == 4).unwrap().address;
    let address = &first[lost as usize - 1];
    let empty = cluster.dir.path().join("empty");
    let url = format!("raft://{lost}@{address},4@{four}?node={lost}&data={}&profile=wan", empty.display());
    for (url, says) in [
        (url.clone(), "seen before with another data directory"),
        (format!("{url}&join=yes"), "seen before with another data directory"),
    ] {
        fails(&cluster, &url, says);
    }

    // Under a new id it takes its old place, at its old address.
    let url = format!(
        "raft://4@{four},{address}?node=5&data={}&profile=wan&join=yes&replaces={lost}",
        cluster.data(5).display()
    )
    .replace(&format!(",{address}"), &format!(",5@{address}"));
    let five = cluster.start_url(&url, "node-5.log");
    five.ready();
    until_it_is(&admin, 5, Some(Role::Voter)).await;
    until_it_is(&admin, lost, None).await;

    // Snapshots have taken the place of the log. What was used stays used, in this life of the members and the next.
    let client = cluster.client(TTL).await;
    let elector = client.elector("e").unwrap();
    for _ in 0..200 {
        soon("won", elector.campaign(candidate("c"))).await.unwrap().resign().await.unwrap();
    }
    cluster.join(6, "join=yes");
    until_it_is(&admin, 6, Some(Role::Voter)).await;
    assert!(cluster.data(6).join("snapshot").exists(), "it got the log, and this shows nothing");
    for round in 0..2 {
        let free = common::free_ports(1)[0];
        let url = format!(
            "raft://4@{four},{lost}@127.0.0.1:{free}?node={lost}&data={}&profile=wan&join=yes",
            cluster.dir.path().join(format!("again-{round}")).display()
        );
        fails(&cluster, &url, "no id is ever used twice");
        let survivors: Vec<u64> = cluster.running();
        survivors.iter().for_each(|id| cluster.kill(*id));
        survivors.iter().for_each(|id| cluster.start_node(*id));
        survivors.iter().for_each(|id| assert!(cluster.node(*id).ready() > 0));
    }
}

/// Runs a node that must fail, and checks what it says.
fn fails(cluster: &Cluster, url: &str, says: &str) {
    let mut process = cluster.start_url(url, "failing.log");
    let status = process.wait();
    let log = process.log();
    std::fs::remove_file(cluster.dir.path().join("failing.log")).unwrap();
    assert!(!status.success());
    assert!(log.contains("raft-node: raft: connect:") && log.contains(says), "no {says:?} in:\n{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let mut cluster = Cluster::start("profile=wan");
    let admin = admin(&cluster);
    let list = cluster.members.join(",");
    let port = common::free_ports(1)[0];
    let url = |id: u64, rest: &str| {
        format!(
            "raft://{list},{id}@127.0.0.1:{port}?node={id}&data={}&profile=wan&{rest}",
            tempfile::tempdir_in(cluster.dir.path()).unwrap().keep().display()
        )
    };
    fails(&cluster, &url(4, "join=yes&cluster=other"), "belongs to cluster \"election\", not \"other\"");
    fails(&cluster, &url(4, ""), "node 4 is not a member of it");
    fails(&cluster, &url(4, "join=yes&replaces=9"), "node 9, which is to be replaced, was never a member");

    // The data of a group of its own.
    let alone = format!("127.0.0.1:{}", common::free_ports(1)[0]);
    let data = cluster.dir.path().join("alone");
    let rest = format!("node=5&data={}&profile=wan", data.display());
    let mut own = cluster.start_url(&format!("raft://5@{alone}?{rest}"), "alone.log");
    own.ready();
    let error = soon("refused", admin.add_member(5, &alone, None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("give it an empty data directory"), "{error}");
    own.kill();
    fails(
        &cluster,
        &format!("raft://{list},5@{alone}?{rest}&join=yes"),
        "is that of a member of another group",
    );

    // Nobody there; somebody else there.
    let error = soon("refused", admin.add_member(6, &alone, None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("node 6 does not answer at"), "{error}");
    let taken = cluster.members[0].clone();
    let error = soon("refused", admin.add_member(6, &taken, None)).await.unwrap_err();
    assert!(error.to_string().contains("node 1 is the member at"), "{error}");

    // One change at a time: this one lasts, because the node that is to learn has stopped in its tracks.
    let address = cluster.join(7, "join=wait");
    until_it_waits(&admin, &address).await;
    let adding = tokio::spawn({
        let (admin, address) = (admin.clone(), address.clone());
        async move { admin.add_member(7, &address, None).await }
    });
    cluster.logs_somewhere("is a learner now").await;
    cluster.pause(7);
    let leader = cluster.raft_leader();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let refused = soon("an answer", admin.remove_member(follower, false)).await;
    // The node may have learned everything before it was stopped: then there was nothing to be refused.
    if !adding.is_finished() {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(error.to_string().contains("another change is under way (node 7 is being added)"), "{error}");
    }
    cluster.resume(7);
    soon("added", adding).await.unwrap().unwrap();
    soon("removed", admin.remove_member(7, false)).await.unwrap();
    cluster.ended(7);

    // A removal that would leave no majority up.
    let dead = (1..=3).find(|id| *id != leader && *id != follower).unwrap();
    cluster.kill(dead);
    // Whether it is up is known for as long as two election timeouts after its last word.
    let error = soon("refused", async {
        let status =
            async || admin.status().await.members.into_iter().find(|member| member.id == dead).unwrap();
        while status().await.state.is_ok() {}
        tokio::time::sleep(Duration::from_secs(5)).await;
        admin.remove_member(follower, false).await.unwrap_err()
    })
    .await;
    assert!(error.to_string().contains("which is no majority"), "{error}");
    let left = soon("removed", admin.remove_member(dead, false)).await.unwrap();
    assert_eq!(left.len(), 2);
}

/// Waits until a node listens.
async fn until_it_waits(admin: &RaftAdmin, address: &str) {
    soon("the node to listen", async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(admin.status().await.is_healthy());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_in_the_middle_of_a_change_leaves_it_to_the_next() {
    let mut cluster = Cluster::start("profile=wan");
    let admin = admin(&cluster);
    let contest = Contest::begin(&cluster).await;
    contest.goes_on().await;
    // Each at another moment of a change; the last ones are over when the leader dies.
    for (round, when) in [
        "a change of the members is asked for",
        "is enrolled",
        "is a learner now",
        "may vote now",
        "the members have changed",
    ]
    .into_iter()
    .enumerate()
    {
        let new = 4 + round as u64;
        let leader = cluster.raft_leader();
        let seen = cluster.count(when);
        let old = *cluster.running().iter().find(|id| **id != leader).unwrap();
        cluster.join(new, &format!("join=yes&replaces={old}"));
        cluster.logs_more(when, seen).await;
        cluster.kill(leader);
        until_it_is(&admin, new, Some(Role::Voter)).await;
        until_it_is(&admin, old, None).await;
        cluster.ended(old);
        cluster.start_node(leader);
        cluster.node(leader).ready();
        contest.goes_on().await;
        assert_eq!(
            admin.status().await.members.iter().filter(|member| member.role == Role::Voter).count(),
            3
        );
    }
    contest.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_members_outlive_two() {
    let mut cluster = Cluster::start("profile=wan");
    let admin = admin(&cluster);
    let steady = cluster.client(TTL).await;
    let leadership = soon("won", steady.elector("e").unwrap().campaign(candidate("c"))).await.unwrap();
    // Both at once: one after the other is let in.
    cluster.join(4, "join=yes");
    cluster.join(5, "join=yes");
    until_it_is(&admin, 4, Some(Role::Voter)).await;
    until_it_is(&admin, 5, Some(Role::Voter)).await;
    let leader = cluster.raft_leader();
    let other = cluster.running().into_iter().find(|id| *id != leader).unwrap();
    cluster.kill(leader);
    cluster.kill(other);
    tokio::time::sleep(TTL + TTL / 4).await;
    leadership.check().unwrap();
    // Two of five are down: only one more may go.
    let up = cluster.running();
    let left = soon("removed", admin.remove_member(other, false)).await.unwrap();
    assert_eq!(left.len(), 4);
    let left = soon("removed", admin.remove_member(leader, false)).await.unwrap();
    assert_eq!(ids(&left), up);
}

#[test]
fn two_lists_that_share_a_member_form_no_group_and_say_so() {
    let mut cluster = Cluster::prepare("profile=wan");
    cluster.start_node(1);
    let others: Vec<String> = common::free_ports(2).iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let list = format!("{},{},{}", cluster.members[0], others[0], others[1]);
    let url = format!("raft://{list}?node=2&data={}&profile=wan", cluster.dir.path().join("b").display());
    while std::net::TcpStream::connect(&cluster.members[0]).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    fails(&cluster, &url, "was started with another list of members");
    cluster.start_node(2);
    cluster.node(2).ready();
    // And when the group exists: the place is somebody else's.
    fails(&cluster, &url, "give all members the same list");
}
