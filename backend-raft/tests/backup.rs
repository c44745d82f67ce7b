//! Backups of a group that works, and groups founded on one, in real processes.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use backend_raft::{Backup, RaftAdmin, RaftConfig, RaftCoordinator};
use common::{Cluster, Process, secured, soon};
use election_core::{Candidate, Coordinator, ElectionName, FencingToken, Kind, Leadership};

const TTL: Duration = Duration::from_secs(8);

async fn win(client: &RaftCoordinator, election: &str) -> Leadership {
    let elector = client.elector(election).unwrap();
    soon("to be elected", async {
        loop {
            match elector.campaign(Candidate::new("c").unwrap()).await {
                Ok(leadership) => return leadership,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    })
    .await
}

fn raft_node(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raft-node")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The members of a group in other data directories than those that it was formed with.
fn start_all(cluster: &Cluster, folder: &Path) -> Vec<Process> {
    let start = |id: u64| {
        let url = cluster.url(id, &folder.join(format!("node-{id}")));
        cluster.start_url(&url, &format!("founded-{id}.log"))
    };
    let nodes: Vec<_> = (1..=3).map(start).collect();
    nodes.iter().for_each(|node| assert!(node.ready() > 0));
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_working_group_founds_a_new_one_with_higher_tokens_and_no_old_session() {
    let mut cluster = Cluster::start("profile=default");
    let client = cluster.client(TTL).await;
    let held = win(&client, "held").await;
    let (file, founded) = (cluster.dir.path().join("backup"), cluster.dir.path().join("founded"));
    let url = format!("raft://{}", cluster.members.join(","));
    let said = raft_node(&["backup", &url, text(&file)]);
    assert!(said.status.success(), "{said:?}");
    let backup = Backup::read(&file).unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains(&format!("log index {}", backup.index)));
    // What was acknowledged before is in it.
    assert_eq!(backup.leaders, [("held".to_owned(), "c".to_owned(), held.token())]);
    assert_eq!((backup.sessions, backup.longest_ttl), (1, TTL));
    // What came after is not, and yet no token of the new group may be below it.
    let later = win(&client, "later").await;
    drop(client);
    (1..=3).for_each(|id| cluster.kill(id));

    let said = raft_node(&["restore", text(&file), text(&founded), &url]);
    assert!(said.status.success(), "{said:?}");
    let again = raft_node(&["restore", text(&file), text(&founded), &url]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("it is not empty"));
    let nodes = start_all(&cluster, &founded);
    let admin = RaftAdmin::new(&cluster.client_config()).unwrap();
    assert!(soon("the queue", admin.queue(&ElectionName::new("held").unwrap())).await.unwrap().is_empty());
    // The old leaderships end, because their session is not known any more; both campaign anew.
    soon("the old session's end", held.lost()).await;
    held.check().unwrap_err();
    let client = cluster.client(TTL).await;
    let (first, second) = (win(&client, "held").await, win(&client, "later").await);
    assert!(first.token() > later.token() && second.token() > later.token());
    assert_eq!(first.token().get() >> 44, 1, "the epoch is in the high bits");

    // A member of the old group, on its old data directory, is a stranger to the new one.
    drop(nodes);
    let mut nodes = start_all(&cluster, &founded);
    let last = nodes.pop().unwrap();
    drop(last);
    let mut old = cluster.start_url(&cluster.url(3, &cluster.data(3)), "old.log");
    assert!(!old.wait().success());
    assert!(old.log().contains("seen before with another data directory"), "{}", old.log());
    // And the new one outlives the crash of everything, like any other: see the restart above.
    assert!(win(&client, "third").await.token() > second.token());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_an_administrators_and_leaves_the_old_file_if_it_fails() {
    let cluster = Cluster::start_secure("profile=wan");
    let file = cluster.dir.path().join("backup");
    std::fs::write(&file, "the old one").unwrap();
    let of = |files: common::certificates::Files| {
        RaftAdmin::new(&secured(RaftConfig::new(cluster.members.clone()), &files)).unwrap()
    };
    let client = of(cluster.authority().client("x", "election"));
    let error = soon("a refusal", client.backup(&file)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("an administrator's certificate is needed"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"the old one");
    let admin = of(cluster.authority().admin("x", "election"));
    let taken = soon("a backup", admin.backup(&file)).await.unwrap();
    assert_eq!(Backup::read(&file).unwrap(), taken);
    let nowhere = cluster.dir.path().join("no-such-folder/backup");
    let error = soon("an error", admin.backup(&nowhere)).await.unwrap_err();
    assert!(error.to_string().contains("no-such-folder"), "{error}");
}

/// A state of many megabytes goes over in parts, and the group goes on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_state_is_backed_up_while_leaders_lead() {
    let cluster = Cluster::start("profile=wan");
    let client = cluster.client(TTL).await;
    let value = vec![7; 64 * 1024];
    let mut held = Vec::new();
    for i in 0..40 {
        let candidate = Candidate::new("c").unwrap().with_value(value.clone()).unwrap();
        let elector = client.elector(&format!("e{i}")).unwrap();
        held.push(soon("to lead", elector.campaign(candidate)).await.unwrap());
    }
    let file: PathBuf = cluster.dir.path().join("backup");
    let admin = RaftAdmin::new(&cluster.client_config()).unwrap();
    let taken = soon("a backup", admin.backup(&file)).await.unwrap();
    assert!(std::fs::metadata(&file).unwrap().len() > 2 * 1024 * 1024);
    let highest = held.iter().map(|held| held.token()).max().unwrap();
    let in_it: Vec<FencingToken> = taken.leaders.iter().map(|(_, _, token)| *token).collect();
    assert_eq!((in_it.len(), in_it.into_iter().max()), (40, Some(highest)));
    assert!(highest.get() <= taken.index);
    for leadership in &held {
        leadership.check().unwrap();
    }
}
