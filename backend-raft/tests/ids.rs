//! Who is a member and who is not: ids, data directories and lists.

mod common;

use std::time::Duration;

use common::changing::{TTL, admin, candidate, fails, until_it_is, until_it_listens};
use common::{Cluster, soon};

use backend_raft::Role;
use election_core::{Coordinator, Kind};

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
        let free = cluster.free_address();
        let url = format!(
            "raft://4@{four},{lost}@{free}?node={lost}&data={}&profile=wan&join=yes",
            cluster.dir.path().join(format!("again-{round}")).display()
        );
        fails(&cluster, &url, &format!("the id {lost} was that of a member that was removed"));
        let survivors: Vec<u64> = cluster.running();
        survivors.iter().for_each(|id| cluster.kill(*id));
        survivors.iter().for_each(|id| cluster.start_node(*id));
        survivors.iter().for_each(|id| assert!(cluster.node(*id).ready() > 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let mut cluster = Cluster::start("profile=wan");
    let admin = admin(&cluster);
    let list = cluster.members.join(",");
    let (free, alone) = (cluster.free_address(), cluster.free_address());
    let url = |id: u64, rest: &str| {
        format!(
            "raft://{list},{id}@{free}?node={id}&data={}&profile=wan&{rest}",
            tempfile::tempdir_in(cluster.dir.path()).unwrap().keep().display()
        )
    };
    fails(&cluster, &url(4, "join=yes&cluster=other"), "belongs to cluster \"election\", not \"other\"");
    fails(&cluster, &url(4, ""), "node 4 is not a member of it");
    fails(&cluster, &url(4, "join=yes&replaces=9"), "node 9, which is to be replaced, was never a member");

    // The data of a group of its own.
    let data = cluster.dir.path().join("alone");
    let rest = format!("node=5&data={}&profile=wan", data.display());
    let mut own = cluster.start_url(&format!("raft://5@{alone}?{rest}"), "alone.log");
    own.ready();
    let error = soon("refused", admin.add_member(5, &alone, None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("give it an empty data directory"), "{error}");
    own.kill();
    // It finds out from its own data or is told by the group, whichever comes first.
    let url = format!("raft://{list},5@{alone}?{rest}&join=yes");
    fails(&cluster, &url, "give it an empty data directory");

    // Nobody there; somebody else there.
    let error = soon("refused", admin.add_member(6, &alone, None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("node 6 does not answer at"), "{error}");
    let taken = cluster.members[0].clone();
    let error = soon("refused", admin.add_member(6, &taken, None)).await.unwrap_err();
    assert!(error.to_string().contains("node 1 is the member at"), "{error}");

    // One change at a time: this one lasts, because the node that is to learn has stopped in its tracks.
    let address = cluster.join(7, "join=wait");
    until_it_listens(&address).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_never_came_is_replaced_before_others_are_added() {
    let mut cluster = Cluster::prepare("profile=wan");
    [1, 2].into_iter().for_each(|id| cluster.start_node(id));
    let admin = admin(&cluster);
    cluster.node(1).ready();

    let address = cluster.join(4, "join=wait");
    until_it_listens(&address).await;
    let error = soon("refused", admin.add_member(4, &address, None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("start node 3 first, or replace it by the new node"), "{error}");

    soon("replaced", admin.add_member(4, &address, Some(3))).await.unwrap();
    until_it_is(&admin, 4, Some(Role::Voter)).await;
    until_it_is(&admin, 3, None).await;
    cluster.join(5, "join=yes");
    until_it_is(&admin, 5, Some(Role::Voter)).await;
}

#[test]
fn two_lists_that_share_a_member_form_no_group_and_say_so() {
    let mut cluster = Cluster::prepare("profile=wan");
    cluster.start_node(1);
    let others = cluster.free_addresses(2);
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
