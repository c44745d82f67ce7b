//! What an administrator types, and what comes out.

mod common;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{Cluster, soon};

use election_core::{Candidate, Coordinator};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raft-node")).args(arguments).output().unwrap()
}

/// What a command prints; it must end with `code`.
fn says(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&says(0, arguments)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_sees_and_changes_a_group() {
    let mut cluster = Cluster::start("profile=wan");
    let client = cluster.client(Duration::from_secs(8)).await;
    let elector = client.elector("billing").unwrap();
    let leadership = soon("won", elector.campaign(Candidate::new("worker-1").unwrap())).await.unwrap();
    let url = &format!("raft://{}", cluster.members.join(","));
    let leader = cluster.raft_leader();

    let table = says(0, &["status", url]);
    let row = |id: u64, role: &str| {
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert!(rows.any(|row| row[0] == id.to_string() && row[2] == role), "{table}");
    };
    (1..=3).for_each(|id| row(id, if id == leader { "leader" } else { "voter" }));
    assert!(table.contains(&format!("Raft leader {leader}, 1 sessions, 1 elections\n")), "{table}");
    let status = json(&["status", url, "--json"]);
    assert_eq!(status["healthy"], true);
    assert_eq!(status["leader"], leader);
    assert_eq!(status["members"].as_array().unwrap().len(), 3);

    let elections = json(&["elections", url, "--json"]);
    let token = leadership.token().get();
    let expected =
        serde_json::json!([{"election": "billing", "leader": "worker-1", "token": token, "waiting": 0}]);
    assert_eq!(elections, expected);
    assert!(says(0, &["elections", url]).contains("worker-1"));
    let queue = json(&["queue", url, "billing", "--json"]);
    assert_eq!(queue[0]["candidate"], "worker-1");
    let session = queue[0]["session"].to_string();

    // A member that waits is added, twice, and removed, twice.
    let address = cluster.join(4, "join=wait");
    let member = format!("4@{address}");
    let added = soon("added", async {
        loop {
            let output = run(&["add", url, &member]);
            // It may not listen yet.
            match output.status.code() {
                Some(3) => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return String::from_utf8_lossy(&output.stdout).into_owned(),
            }
        }
    })
    .await;
    assert!(added.starts_with("members: 1@") && added.trim_end().ends_with(&member), "{added}");
    assert_eq!(says(0, &["add", url, &member]), added);
    assert_eq!(says(0, &["remove", url, "4"]), says(0, &["remove", url, "4"]));
    cluster.ended(4);

    // What cannot be: for good, on the command line, and for now.
    assert!(says(1, &["add", url, &member]).contains("no id is ever used twice"));
    assert!(says(1, &["status", "raft://"]).contains("members is empty"));
    assert!(says(1, &["status", &cluster.url(1, &cluster.data(1))]).contains("no node and no data"));
    assert!(says(2, &["add", url, "h4:7001"]).contains("give id@host:port, as in 4@h4:7001"));
    assert!(says(2, &["change", url]).contains("unrecognized subcommand"));
    assert!(says(0, &["--help"]).contains("Exit codes: 0 done"));
    assert!(says(0, &["run", "--help"]).contains("together they form the group"));
    assert!(says(2, &["remove", url, "three"]).contains("invalid value 'three'"));
    assert_eq!(says(0, &["end-session", url, &session]), "ended\n");
    assert_eq!(says(0, &["end-session", url, &session]), "there is no such session\n");
    soon("to be lost", leadership.lost()).await;

    let other = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(leader);
    cluster.kill(other);
    assert!(says(3, &["status", &format!("{url}?patience=1s")]).contains("the group does not work"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_force_a_group_without_a_majority_stands_still_until_it_has_one() {
    let mut cluster = Cluster::start("profile=wan");
    let url = &format!("raft://{}", cluster.members.join(","));
    let before = cluster.raft_leader();
    let down = if before == 1 { 2 } else { 1 };
    cluster.kill(down);
    // A leader that is new has never heard of a member that is down: it need not be waited for.
    cluster.kill(before);
    cluster.start_node(before);
    cluster.node(before).ready();
    let leader = cluster.raft_leader();
    let gone = 6 - leader - down;
    let which = &gone.to_string();

    let refused = says(3, &["remove", url, which]);
    assert!(refused.contains("only 1 would be up, which is no majority"), "{refused}");
    assert!(refused.contains(&format!("start node {down}")) && refused.contains("with force"), "{refused}");
    let serves =
        |patience: &str| run(&["queue", &format!("{url}?patience={patience}"), "e"]).status.success();
    assert!(serves("60s"), "what was refused has changed nothing");

    let mut removal = Command::new(env!("CARGO_BIN_EXE_raft-node"))
        .args(["remove", url, which, "--force"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    soon("the group to stand still", async { while serves("1s") {} }).await;
    assert!(removal.try_wait().unwrap().is_none(), "it is not done");
    cluster.start_node(down);
    let removed = removal.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&removed.stdout);
    assert!(removed.status.success(), "{printed}");
    assert!(printed.contains(&format!("{leader}@")) && printed.contains(&format!("{down}@")), "{printed}");
    assert!(!printed.contains(&format!("{gone}@")), "{printed}");
    let (success, log) = cluster.ended(gone);
    assert!(!success && log.contains("this node was removed from the group"), "{log}");
    assert!(serves("60s"));
}
