//! The members of a group change while it works.

mod common;

use common::changing::{Contest, TTL, admin, candidate, removed, until_it_is, until_it_listens};
use common::steady::Steady;
use common::{Cluster, soon};

use backend_raft::{RaftAdmin, RaftConfig, RaftCoordinator, Role};
use election_core::{Coordinator, Kind};

fn ids(members: &[(u64, String)]) -> Vec<u64> {
    members.iter().map(|(id, _)| *id).collect()
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
    until_it_listens(&address).await;
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
async fn a_leader_that_dies_in_the_middle_of_a_change_leaves_it_to_the_next() {
    let mut cluster = Cluster::start("profile=wan");
    // In the end nobody is left of those who formed the group.
    cluster.lists_newcomers = true;
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
    // Much longer than an election among the last three of five may take, in which nobody may be missing.
    let steady = cluster.client(TTL * 4).await;
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
    let elector = steady.elector("again").unwrap();
    let again = soon("won", async {
        loop {
            match elector.campaign(candidate("c")).await {
                Ok(leadership) => return leadership,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    });
    assert!(again.await.token() > leadership.token());
    leadership.check().unwrap();
    // Two of five are down: only one more may go.
    let up = cluster.running();
    assert_eq!(removed(&admin, other).await.len(), 4);
    assert_eq!(ids(&removed(&admin, leader).await), up);
}
