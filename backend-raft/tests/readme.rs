//! The commands of the README, run.

mod common;

use std::process::Command;
use std::time::Duration;

use common::certificates::Files;
use common::{Cluster, secured, soon};

use backend_raft::{RaftAdmin, RaftConfig, RaftCoordinator};
use election_core::{Candidate, Coordinator, ElectionName};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificates_of_the_readme_form_a_group() {
    let readme = include_str!("../README.md");
    let (_, block) = readme.split_once("```bash\n").unwrap();
    let (script, _) = block.split_once("```").unwrap();
    let mut cluster = Cluster::prepare_secure("profile=wan");
    let dir = cluster.dir.path().to_owned();
    let made = Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(&dir).output();
    let made = made.expect("bash runs");
    // A machine without openssl can run everything else; CI must have it.
    if String::from_utf8_lossy(&made.stderr).contains("openssl: command not found") {
        assert!(std::env::var_os("CI").is_none(), "CI has no openssl");
        eprintln!("skipped: no openssl");
        return;
    }
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    cluster.form();

    let files = |name: &str| Files {
        ca: dir.join("ca.pem"),
        cert: dir.join(format!("{name}.election.pem")),
        key: dir.join(format!("{name}.election.key")),
    };
    let config = |name| secured(RaftConfig::new(cluster.members.clone()), &files(name));
    let client = config("billing.client").with_ttl(Duration::from_secs(8));
    let client = soon("a client", RaftCoordinator::connect(client)).await.unwrap();
    let elector = client.elector("billing").unwrap();
    let leadership = soon("won", elector.campaign(Candidate::new("one").unwrap())).await.unwrap();
    let (admin, election) =
        (RaftAdmin::new(&config("ops.admin")).unwrap(), ElectionName::new("billing").unwrap());
    let queue = soon("the queue", admin.queue(&election)).await.unwrap();
    assert!(soon("removed", admin.remove(&election, &queue[0])).await.unwrap());
    soon("to be deposed", leadership.lost()).await;
}
