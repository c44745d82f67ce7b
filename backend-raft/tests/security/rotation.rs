//! Certificates that run out, and those that replace them in time.

use std::time::Duration;

use crate::common::certificates::{Authority, VALID, Validity};
use crate::common::steady::Steady;
use crate::common::{Cluster, secured, soon};

use backend_raft::RaftCoordinator;
use election_core::clock::Instant;
use election_core::{Candidate, Coordinator, Loss};

const TTL: Duration = Duration::from_secs(4);
/// How long the first certificates last.
const FIRST: Duration = Duration::from_secs(45);

/// How many of its files a node has taken up since it was started.
fn taken_up(cluster: &mut Cluster, id: u64) -> usize {
    cluster.node(id).log().matches("new certificate files are in use").count()
}

/// Waits until each node has taken up so many new sets of files.
async fn all_have_taken_up(cluster: &mut Cluster, sets: usize) {
    for id in 1..=3 {
        soon("a node to take up its files", async {
            while taken_up(cluster, id) < sets {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
    // The client of this test does so as often as the nodes, and tells nobody.
    tokio::time::sleep(Duration::from_secs(5)).await;
}

fn issue(authority: &Authority, validity: Validity) {
    for id in 1..=3 {
        authority.issue(&format!("node-{id}.election"), &[&format!("node-{id}.election")], validity);
    }
    authority.issue("test.client.election", &["test.client.election"], validity);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_their_authority_are_replaced_and_nobody_notices() {
    let mut cluster = Cluster::prepare_secure("profile=wan");
    let config = cluster.client_config().with_ttl(TTL);
    let begun = Instant::now();
    issue(cluster.authority(), Validity(-60, FIRST.as_secs().cast_signed()));
    cluster.form();
    let ca = cluster.authority().ca.clone();
    let client = soon("a client", RaftCoordinator::connect(config)).await.unwrap();
    let steady = Steady::lead(&cluster, client).await;

    // As the README says: first everybody trusts both authorities, then the certificates change, then the old
    // authority goes.
    let new = Authority::new(cluster.dir.path(), "new-ca");
    let new_ca = new.ca.clone();
    let pem = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let put = |contents: String| {
        std::fs::write(ca.with_extension("new"), contents).unwrap();
        std::fs::rename(ca.with_extension("new"), &ca).unwrap();
    };
    put(pem(&ca) + &pem(&new_ca));
    all_have_taken_up(&mut cluster, 1).await;
    issue(&new, VALID);
    all_have_taken_up(&mut cluster, 2).await;
    // What was under way on the old connections has ended by then, and they with it.
    tokio::time::sleep(Duration::from_secs(11)).await;
    put(pem(&new_ca));
    all_have_taken_up(&mut cluster, 3).await;
    // Beyond the end of the first certificates, and a TTL.
    let end = FIRST + Duration::from_secs(5);
    tokio::time::sleep(end.saturating_sub(Instant::now().saturating_duration_since(begun)) + TTL).await;
    steady.held(&cluster).await;
    for id in 1..=3 {
        let log = cluster.node(id).log();
        // Made anew before the old ones had to end, which is more than that nobody noticed.
        assert!(log.contains("a connection was made anew") && !log.contains("no longer accepted"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_runs_out_ends_its_connections_and_a_new_one_makes_them_anew() {
    let mut cluster = Cluster::prepare_secure("profile=wan");
    issue(cluster.authority(), VALID);
    cluster.form();
    let config = cluster.client_config().with_ttl(TTL);
    let short =
        cluster.authority().issue("test.client.election", &["test.client.election"], Validity(-60, 8));
    let client = soon("a client", RaftCoordinator::connect(secured(config, &short))).await.unwrap();
    let elector = client.elector("e").unwrap();
    let candidate = || Candidate::new("c").unwrap();
    let leadership = soon("won", elector.campaign(candidate())).await.unwrap();
    let loss = soon("the certificate to run out", leadership.lost()).await;
    assert!(matches!(loss, Loss::Unproven | Loss::SessionExpired), "{loss:?}");
    cluster.node(1).logs("certificate expired").await;
    let error = soon("refused", elector.campaign(candidate())).await.unwrap_err();
    assert!(error.to_string().contains("CertificateExpired"), "{error}");
    cluster.authority().client("test", "election");
    soon("won again, without a restart", async {
        loop {
            match elector.campaign(candidate()).await {
                Ok(leadership) => return leadership.check().unwrap(),
                Err(error) => assert!(error.to_string().contains("CertificateExpired"), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}
