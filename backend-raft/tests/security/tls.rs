//! Three nodes and their clients over TLS: that it works, and who may do what.

use std::time::Duration;

use crate::common::certificates::{Authority, EXPIRED, Files, VALID};
use crate::common::{Cluster, secured, soon};

use backend_raft::{RaftAdmin, RaftConfig, RaftCoordinator};
use election_core::{Candidate, Coordinator, ElectionName, Kind, LeaderEvent};
use futures::StreamExt;
use testkit::ports::Port;

const TTL: Duration = Duration::from_secs(8);

fn candidate(name: &str) -> Candidate {
    Candidate::new(name).unwrap()
}

async fn client(cluster: &Cluster, who: &str) -> RaftCoordinator {
    let config = secured(cluster.client_config().with_ttl(TTL), &cluster.authority().client(who, "election"));
    soon("a client", RaftCoordinator::connect(config)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_lead_one_after_the_other_over_tls_and_over_changes_of_the_raft_leader() {
    let mut cluster = Cluster::start_secure("profile=wan");
    let (one, other) = (client(&cluster, "one").await, client(&cluster, "other").await);
    let mut events = other.elector("e").unwrap().observe();
    assert_eq!(soon("vacant", events.next()).await.unwrap().unwrap(), LeaderEvent::Vacant);
    let first = soon("won", one.elector("e").unwrap().campaign(candidate("one"))).await.unwrap();
    let elector = other.elector("e").unwrap();
    let waiting = tokio::spawn(async move { elector.campaign(candidate("other")).await });
    // A clean stop, and a crash: neither costs the leadership.
    let leader = cluster.raft_leader();
    assert!(cluster.terminate(leader).success());
    cluster.start_node(leader);
    cluster.node(leader).ready();
    let leader = cluster.raft_leader();
    cluster.kill(leader);
    tokio::time::sleep(TTL + TTL / 4).await;
    first.check().unwrap();
    soon("resigned", first.resign()).await.unwrap();
    let second = soon("won", waiting).await.unwrap().unwrap();
    let seen = async {
        loop {
            if let LeaderEvent::Elected(leader) = events.next().await.unwrap().unwrap()
                && leader.token == second.token()
            {
                break;
            }
        }
    };
    soon("the new leader to be seen", seen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_look_and_an_administrator_and_a_member_can_remove() {
    let cluster = Cluster::start_secure("profile=wan");
    let client = client(&cluster, "one").await;
    let election = ElectionName::new("e").unwrap();
    let lead = async || soon("won", client.elector("e").unwrap().campaign(candidate("one"))).await.unwrap();
    let leadership = lead().await;
    let authority = cluster.authority();
    let admin = |files: &Files| RaftAdmin::new(&secured(cluster.client_config(), files)).unwrap();

    // Not even its own: what a client may do, it does through its session.
    for who in ["one", "other"] {
        let not_admin = admin(&authority.client(who, "election"));
        let place = soon("the queue", not_admin.queue(&election)).await.unwrap().remove(0);
        for error in [
            soon("refused", not_admin.remove(&election, &place)).await.unwrap_err(),
            soon("refused", not_admin.end_session(place.session)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
            assert!(error.to_string().contains("an administrator's, or a member's, is needed"), "{error}");
        }
    }
    leadership.check().unwrap();

    let real = admin(&authority.admin("ops", "election"));
    let place = soon("the queue", real.queue(&election)).await.unwrap().remove(0);
    assert!(soon("removed", real.remove(&election, &place)).await.unwrap());
    soon("to be deposed", leadership.lost()).await;
    let again = lead().await;
    let member = admin(&authority.node(1, "election"));
    assert!(soon("ended", member.end_session(client.session_id().unwrap())).await.unwrap());
    soon("to be lost", again.lost()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_groups_of_one_authority_are_two_groups() {
    let mut cluster = Cluster::prepare_secure("profile=wan&cluster=billing");
    // Each node has both certificates at hand; the one of its own group lies where it looks.
    for id in 1..=3 {
        let name = format!("node-{id}.billing");
        cluster.authority().issue(&format!("node-{id}.election"), &[&name], VALID);
    }
    cluster.form();
    let mut config = cluster.client_config();
    config.cluster = "billing".into();
    // A client of the group `election`, as client_config() made it, shows a name of that group.
    let error = RaftCoordinator::connect(config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(
        error.to_string().contains("test.client.election, and this process needs NAME.client.billing"),
        "{error}"
    );
    let config = secured(config, &cluster.authority().client("test", "billing"));
    let client = soon("a client", RaftCoordinator::connect(config)).await.unwrap();
    let leadership = soon("won", client.elector("e").unwrap().campaign(candidate("c"))).await.unwrap();
    leadership.check().unwrap();
}

#[test]
fn a_node_that_cannot_show_who_it_is_does_not_start_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(dir.path(), "ca"), Authority::new(dir.path(), "other"));
    let cluster = Cluster::prepare("profile=wan");
    let good = authority.node(1, "election");
    for (place, (files, says)) in [
        (
            authority.node(2, "election"),
            "its names are node-2.election, and this process needs node-1.election",
        ),
        (authority.client("x", "election"), "its names are x.client.election, and this process needs node-1"),
        (authority.issue("old", &["node-1.election"], EXPIRED), "expired"),
        (good.trusting(&other), "UnknownIssuer"),
        (Files { key: dir.path().join("no.key"), ..good.clone() }, "no.key: cannot be read"),
        (Files { key: authority.node(3, "election").key, ..good }, "key is "),
    ]
    .into_iter()
    .enumerate()
    {
        let data = cluster.data(1);
        let url =
            format!("rafts://{}?node=1&data={}&{}", cluster.members.join(","), data.display(), files.query());
        let mut process = cluster.start_url(&url, &format!("{place}.log"));
        let status = process.wait();
        let log = process.log();
        assert!(!status.success() && log.contains(says), "no {says:?} in:\n{log}");
        // Not by way of a panic, and before anything was written.
        assert!(log.contains("raft-node: raft: connect: ") && !data.exists(), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_and_tls_tell_each_other_what_is_wrong() {
    let mut secure = Cluster::start_secure("profile=wan");
    let plain = RaftConfig::new(secure.members.clone());
    let error = RaftCoordinator::connect(plain).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("the node accepts TLS only: give rafts://"), "{error}");
    secure.node(1).logs("it begins without TLS, and this node was started with (rafts://)").await;

    let mut plain = Cluster::start("profile=wan");
    let files = secure.authority().client("test", "election");
    let error = RaftCoordinator::connect(secured(plain.client_config(), &files)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("the node answers without TLS: start it with rafts://"), "{error}");
    plain.node(1).logs("it begins with TLS, and this node was started without (raft://)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_beyond_loopback_is_refused_without_a_word_and_loud_with_one() {
    let cluster = Cluster::prepare("profile=wan");
    let (member, port) = (&cluster.members[0], Port::lease().unwrap());
    let (data, port) = (cluster.data(1), port.number());
    let url = format!("raft://{member}?node=1&data={}&listen=0.0.0.0:{port}", data.display());
    let mut refused = cluster.start_url(&url, "refused.log");
    assert!(!refused.wait().success());
    refused.logs("is not a loopback address, and raft:// does not encrypt: give rafts://").await;
    let loud = cluster.start_url(&format!("{url}&plaintext=yes"), "loud.log");
    loud.logs("PLAINTEXT: nothing between this process and the group is encrypted").await;
    loud.ready();
}
