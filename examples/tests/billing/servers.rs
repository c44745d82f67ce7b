//! The same workers on real servers: only the URL differs.

use crate::run::{Case, billing};

async fn billed_on(backend: &str, endpoints: &str) {
    let case = Case::new(30);
    let args = ["--backend", backend, "--endpoints", endpoints, "--rounds", "3", "--seed", "4"];
    let outcome = case.run(&args).await;
    outcome.settled();
    case.assert_charged_once(30);
    assert_eq!(outcome.row("takeovers"), 3, "{outcome:#?}");
    assert!(outcome.row("fenced") >= 1, "{outcome:#?}");
}

async fn out_of_reach(backend: &str) {
    let outcome = billing(&["--backend", backend, "--endpoints", "127.0.0.1:1"]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.err.contains("127.0.0.1:1"), "{outcome:#?}");
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn on_etcd() {
    if testkit::need::has(testkit::need::Tool::Etcd) {
        let etcd = testkit::etcd::Etcd::single().await.unwrap();
        billed_on("etcd", &etcd.authority()).await;
    }
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn without_etcd_there_is_a_message_in_bounded_time() {
    out_of_reach("etcd").await;
}

#[cfg(feature = "zk")]
#[tokio::test]
async fn on_zookeeper() {
    if testkit::need::has(testkit::need::Tool::ZooKeeper) {
        let zk = testkit::zk::Zk::single().await.unwrap();
        billed_on("zk", &zk.authority()).await;
    }
}

#[cfg(feature = "zk")]
#[tokio::test]
async fn without_zookeeper_there_is_a_message_in_bounded_time() {
    out_of_reach("zk").await;
}
